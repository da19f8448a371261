package projection

import (
	"crypto/sha256"
	"encoding/binary"
	"sort"
	"time"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/dense"
)

// commits are those folded, in order, and found by the request that each answers.
type commits struct {
	all       dense.List[commit]
	byRequest dense.Index
}

// commit is one of a million that are kept: without pointers, the collector has nothing
// to look at.
type commit struct {
	end     uint64     // its last position
	known   int64      // Unix nanoseconds, never decreasing
	request requestKey // what it answers
	digest  [sha256.Size]byte
}

// requestKey is the SHA-256 of an account and a request id.
type requestKey [sha256.Size]byte

func keyOf(account, request string) requestKey {
	return sha256.Sum256([]byte(account + "\x00" + request))
}

func (k *requestKey) hash() uint64 { return binary.LittleEndian.Uint64(k[:]) }

// answer is where the events of a request stand, and the SHA-256 of its digest.
type answer struct {
	digest      [sha256.Size]byte
	first, last uint64
}

// add takes the commit that ends at a position with an event's Meta. The request is that
// of whoever made it: the approver where there is one.
func (c *commits) add(end uint64, meta *eventv1.Meta) {
	by := meta.GetActor()
	if meta.GetApprover() != nil {
		by = meta.GetApprover()
	}
	one := commit{
		end: end, known: meta.GetRecordTime().AsTime().UnixNano(),
		request: keyOf(by.GetAccount(), meta.GetRequestId()), digest: sha256.Sum256(meta.GetRequestDigest()),
	}
	place := c.all.Len()
	if place > 0 {
		one.known = max(one.known, c.all.At(place-1).known)
	}
	c.all.Add(one)
	if _, again := c.find(&one.request); !again {
		c.byRequest.Enter(one.request.hash(), uint32(place))
	}
}

func (c *commits) find(request *requestKey) (place uint32, ok bool) {
	return c.byRequest.Find(request.hash(), func(place uint32) bool { return c.all.At(int(place)).request == *request })
}

// answer returns where the first commit stands that answers a request.
func (c *commits) answer(request requestKey) (a answer, known bool) {
	place, known := c.find(&request)
	if !known {
		return answer{}, false
	}
	a = answer{digest: c.all.At(int(place)).digest, first: 1, last: c.all.At(int(place)).end}
	if place > 0 {
		a.first = c.all.At(int(place)-1).end + 1
	}
	return a, true
}

// rollback forgets the commits that end after a position.
func (c *commits) rollback(to uint64) {
	n := c.all.Len()
	for ; n > 0 && c.all.At(n-1).end > to; n-- {
		c.byRequest.Leave(c.all.At(n-1).request.hash(), uint32(n-1))
	}
	c.all.Cut(n)
}

func (c *commits) end(position uint64) uint64 {
	if n := sort.Search(c.all.Len(), func(i int) bool { return c.all.At(i).end > position }); n > 0 {
		return c.all.At(n - 1).end
	}
	return 0
}

func (c *commits) at(t time.Time) uint64 {
	if n := sort.Search(c.all.Len(), func(i int) bool { return time.Unix(0, c.all.At(i).known).After(t) }); n > 0 {
		return c.all.At(n - 1).end
	}
	return 0
}

func (c *commits) time(position uint64) time.Time {
	i := sort.Search(c.all.Len(), func(i int) bool { return c.all.At(i).end >= position })
	if position == 0 || i == c.all.Len() {
		return time.Time{}
	}
	return time.Unix(0, c.all.At(i).known).UTC()
}

func (c *commits) last() time.Time {
	if n := c.all.Len(); n > 0 {
		return time.Unix(0, c.all.At(n-1).known).UTC()
	}
	return time.Time{}
}
