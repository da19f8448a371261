package feed

import (
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/eventlog"
)

// batch is the commits that were announced at once, for all readers.
type batch struct {
	after   uint64
	end     eventlog.Cursor
	commits []commit
	frames  []byte                // the encoded WatchResponse of all commits
	whole   *feedv1.WatchResponse // the same, to be sent as it is
}

// ring is the latest batches, as many as the limit has room for. Readers wait on moved.
type ring struct {
	limit int

	mu      sync.RWMutex
	batches []*batch
	size    int
	start   uint64 // the position after which the batches begin
	open    bool   // the tail has begun
	err     error  // why the tail ended
	moved   chan struct{}
}

// begin empties the ring at a position.
func (r *ring) begin(at uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches, r.size, r.start, r.open, r.err = nil, 0, at, true, nil
	r.wake()
}

// end says why nothing comes any more; nil where nobody waits for it.
func (r *ring) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches, r.size, r.open, r.err = nil, 0, false, err
	r.wake()
}

func (r *ring) push(b *batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, b)
	r.size += len(b.frames)
	if r.size > r.limit {
		drop := 0
		for ; r.size > r.limit*3/4 && drop < len(r.batches)-1; drop++ { // not at every push
			r.size -= len(r.batches[drop].frames)
			r.start = r.batches[drop].end.Position
		}
		r.batches = slices.Clone(r.batches[drop:]) // readers may hold what was there
	}
	r.wake()
}

func (r *ring) wake() {
	close(r.moved)
	r.moved = make(chan struct{})
}

// view is what a ring has for a reader.
type view struct {
	batches []*batch        // those after its position, none where it has all
	reaches bool            // the ring goes back to its position
	moved   <-chan struct{} // closed when there may be more
	err     error           // why nothing comes any more
}

// after is what there is after a position. A reader stands at the end of a batch or, just
// after it read the log, inside one: it then gets the batch again from there.
func (r *ring) after(position uint64) view {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v := view{moved: r.moved, err: r.err}
	if !r.open || position < r.start {
		return v
	}
	v.reaches = true
	for i := len(r.batches); i > 0 && r.batches[i-1].end.Position > position; i-- {
		v.batches = r.batches[i-1:]
	}
	return v
}

// leafOf is the leaf at the end of a batch, if it is here.
func (r *ring) leafOf(position uint64) (leaf tlog.Hash) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for i := len(r.batches) - 1; i >= 0 && r.batches[i].end.Position >= position; i-- {
		if r.batches[i].end.Position == position {
			return r.batches[i].end.Leaf
		}
	}
	return leaf
}
