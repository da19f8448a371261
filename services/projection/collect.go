package projection

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// spareHeap is how much garbage may lie about during a replay, in bytes. Nearly all
// that a replay allocates stays, so that looking for garbage as often as the heap
// grows by a part of itself costs a third of the time.
const spareHeap = 512 << 20

// collector is the garbage collector of this process during replays, which may run at
// the same time; before and after them it is as the operator set it.
type collector struct {
	mu      sync.Mutex
	replays int
	percent int // the operator's
}

var gc collector

// relax begins a replay; restore ends it.
func (c *collector) relax() (restore func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.replays++; c.replays == 1 {
		c.percent = debug.SetGCPercent(100)
	}
	c.adjust()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.replays--; c.replays == 0 {
			debug.SetGCPercent(c.percent)
		}
	}
}

// follow keeps what is spared the same while the heap grows. Where it has outgrown
// that, the collector runs as often as the operator wants.
func (c *collector) follow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.adjust()
}

func (c *collector) adjust() {
	if c.percent < 0 {
		debug.SetGCPercent(c.percent) // the operator turned it off
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	const least = 4 << 20 // a smaller heap counts as this one
	debug.SetGCPercent(max(c.percent, int(spareHeap*100/max(live[0].Value.Uint64(), least))))
}
