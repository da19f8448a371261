package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// Digest is the SHA-256 of what a plan does: its effects and those on topology, in
// order. It depends on nothing else: not on the position, since what did not change is
// what was approved, and not on names of persons, which can be erased meanwhile. The
// encoding is this function's own, since an approval outlives versions of libraries.
func Digest(p *labellingv1.Plan) []byte {
	var b []byte
	for _, e := range p.GetEffects() {
		b = appendEffect(b, e)
	}
	b = appendText(b, "topology")
	for _, t := range p.GetTopology() {
		b = appendText(b, number(uint32(t.GetKind())), t.GetEntityKind(), t.GetEntity(), t.GetName(), number(t.GetLine()), number(uint32(len(t.GetBefore()))))
		b = appendText(b, t.GetBefore()...)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// Difference tells what a later plan of one act does that an earlier one did not, and
// what it no longer does.
func Difference(before, after *labellingv1.Plan) (added, removed []*labellingv1.Effect) {
	return without(after, before), without(before, after)
}

// without returns the effects of a plan that another one does not have.
func without(p, other *labellingv1.Plan) (out []*labellingv1.Effect) {
	had := make(map[string]int, len(other.GetEffects()))
	for _, e := range other.GetEffects() {
		had[string(appendEffect(nil, e))]++
	}
	for _, e := range p.GetEffects() {
		key := string(appendEffect(nil, e))
		if had[key] == 0 {
			out = append(out, e)
			continue
		}
		had[key]--
	}
	return out
}

// appendEffect encodes all of an effect but what is there for reading.
func appendEffect(b []byte, e *labellingv1.Effect) []byte {
	b = appendText(b, number(e.GetLine()), number(uint32(e.GetDisposition())), e.GetLabelId(), e.GetSiteId(), e.GetNetwork(), e.GetCentre(),
		number(uint32(e.GetNetworkIdentity())), number(uint32(e.GetCentreIdentity())), number(uint32(e.GetRole())), e.GetPeriod().GetStart(), e.GetPeriod().GetEnd())
	for _, c := range e.GetChanges() {
		if c.GetField() != "head" {
			b = appendText(b, c.GetField(), c.GetBefore(), c.GetAfter())
		}
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
