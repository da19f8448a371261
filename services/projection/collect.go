package projection

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// How much garbage may lie about, in bytes. Nearly all that a replay allocates stays,
// so that looking for garbage as often as the heap grows by a part of itself costs a
// third of its time; and to a small register each command would be a tenth dearer.
const (
	spareReplaying = 512 << 20
	spareServing   = 128 << 20
)

// collector sets how rarely the garbage collector of this process runs: at least as
// rarely as the operator wants, and not at all where the operator turned it off.
type collector struct {
	mu      sync.Mutex
	known   bool
	percent int // the operator's
	replays int // under way
}

var gc collector

// relax begins a replay; the returned call ends it.
func (c *collector) relax() (end func()) {
	c.count(1)
	return func() { c.count(-1) }
}

func (c *collector) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replays += n
	c.adjust()
}

// follow keeps what is spared the same while the heap grows. Where it has outgrown
// that, the collector runs as often as the operator wants.
func (c *collector) follow() { c.count(0) }

func (c *collector) adjust() {
	if !c.known {
		c.percent, c.known = debug.SetGCPercent(100), true
	}
	if c.percent < 0 {
		debug.SetGCPercent(c.percent)
		return
	}
	spare := uint64(spareServing)
	if c.replays > 0 {
		spare = spareReplaying
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	const least = 4 << 20 // a smaller heap counts as this one
	debug.SetGCPercent(max(c.percent, int(spare*100/max(live[0].Value.Uint64(), least))))
}
