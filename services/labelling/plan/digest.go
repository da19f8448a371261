package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// Digest is the SHA-256 of what a plan does: its effects and those on topology, in
// order. It depends on nothing else: not on the position, since what did not change is
// what was approved, and not on names of persons. That a line changes the head is an
// effect, and whoever becomes another head or is erased meanwhile can make it none: that is
// to be looked at again. The encoding is this function's own, since an approval outlives
// versions of libraries.
func Digest(p *labellingv1.Plan) []byte {
	var b []byte
	for _, e := range p.GetEffects() {
		b = appendEffect(b, e)
	}
	b = appendText(b, "topology")
	for _, t := range p.GetTopology() {
		b = appendTopology(b, t)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// Difference tells what a later plan of one act does that an earlier one did not, and
// what it no longer does: plans of nothing but the effects that differ. Two plans of one
// digest have none.
func Difference(before, after *labellingv1.Plan) (added, removed *labellingv1.Plan) {
	return without(after, before), without(before, after)
}

// without is a plan but for the effects that another one has too.
func without(p, other *labellingv1.Plan) *labellingv1.Plan {
	return &labellingv1.Plan{
		Effects:  others(p.GetEffects(), other.GetEffects(), appendEffect),
		Topology: others(p.GetTopology(), other.GetTopology(), appendTopology),
	}
}

// others returns the effects that are not among those known, as they are encoded.
func others[E any](all, known []E, encode func([]byte, E) []byte) (out []E) {
	had := make(map[string]int, len(known))
	for _, e := range known {
		had[string(encode(nil, e))]++
	}
	for _, e := range all {
		key := string(encode(nil, e))
		if had[key] == 0 {
			out = append(out, e)
			continue
		}
		had[key]--
	}
	return out
}

func appendTopology(b []byte, t *labellingv1.TopologyEffect) []byte {
	b = appendText(b, number(uint32(t.GetKind())), t.GetEntityKind(), t.GetEntity(), t.GetName(), number(t.GetLine()), number(uint32(len(t.GetBefore()))))
	return appendText(b, t.GetBefore()...)
}

// appendEffect encodes all of an effect but what is there for reading.
func appendEffect(b []byte, e *labellingv1.Effect) []byte {
	b = appendText(b, number(e.GetLine()), number(uint32(e.GetDisposition())), e.GetLabelId(), e.GetSiteId(), e.GetNetwork(), e.GetCentre(),
		number(uint32(e.GetNetworkIdentity())), number(uint32(e.GetCentreIdentity())), number(uint32(e.GetRole())), e.GetPeriod().GetStart(), e.GetPeriod().GetEnd())
	for _, c := range e.GetChanges() {
		b = appendText(b, c.GetField(), c.GetBefore(), c.GetAfter())
	}
	return appendText(b, "end")
}

// appendText encodes texts so that no two sequences of them are alike.
func appendText(b []byte, texts ...string) []byte {
	for _, s := range texts {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
