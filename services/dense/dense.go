// Package dense keeps many small things and finds them by hash, at the least cost to
// the processor's caches and to the garbage collector: a list that grows without being
// copied, and an index of its places without a pointer in it.
package dense

const chunkSize = 1024

// List holds elements at places from 0. The zero List is empty.
type List[T any] struct {
	chunks [][]T
	n      int
}

// Len is the number of elements.
func (l *List[T]) Len() int { return l.n }

// At returns the element at a place, which must be one of the list. The pointer is good
// until the next Add or Cut.
func (l *List[T]) At(place int) *T { return &l.chunks[place/chunkSize][place%chunkSize] }

// Add puts an element at the place that Len said.
func (l *List[T]) Add(v T) {
	c := l.n / chunkSize
	if c == len(l.chunks) {
		l.chunks = append(l.chunks, nil)
		if c > 0 { // the first one grows as it is filled, so that a short list stays small
			l.chunks[c] = make([]T, 0, chunkSize)
		}
	}
	l.chunks[c] = append(l.chunks[c], v)
	l.n++
}

// Cut drops the elements from place n on, if there are any.
func (l *List[T]) Cut(n int) {
	for l.n > n {
		c := (l.n - 1) / chunkSize
		from := max(n-c*chunkSize, 0)
		clear(l.chunks[c][from:]) // lets go of what they point to
		l.chunks[c] = l.chunks[c][:from]
		l.n = c*chunkSize + from
		if from == 0 {
			l.chunks = l.chunks[:c]
		}
	}
}

// Index leads from the hash of a key to the places entered under it, in the order they
// were entered, and to those of any other key that shares 32 bits with it. The zero
// Index is empty.
//
// A slot holds the low half of a hash and 1 + a place, 0 for nothing. An entry stands in
// the slot that the upper bits of its half name, or in the nearest free one after it: to
// double the slots is then to walk through both arrays once, and to look at no key.
type Index struct {
	slots []uint64 // a power of two of them, at least half of them free
	n     int
}

const leastSlots = 8

// Find returns the first place entered under a hash that satisfies is.
func (x *Index) Find(hash uint64, is func(place uint32) bool) (place uint32, ok bool) {
	if x.n == 0 {
		return 0, false
	}
	half, last := uint32(hash), len(x.slots)-1
	for i := x.home(half); x.slots[i] != 0; i = (i + 1) & last {
		if uint32(x.slots[i]>>32) == half && is(uint32(x.slots[i])-1) {
			return uint32(x.slots[i]) - 1, true
		}
	}
	return 0, false
}

// Enter adds a place under a hash. It must be less than 2^32-1.
func (x *Index) Enter(hash uint64, place uint32) {
	if 2*(x.n+1) > len(x.slots) {
		x.grow()
	}
	x.put(hash<<32 | uint64(place) + 1)
	x.n++
}

// Leave takes back that a place was entered under a hash.
func (x *Index) Leave(hash uint64, place uint32) {
	if x.n == 0 {
		return
	}
	last := len(x.slots) - 1
	free := x.home(uint32(hash))
	for ; x.slots[free] != hash<<32|uint64(place)+1; free = (free + 1) & last {
		if x.slots[free] == 0 {
			return
		}
	}
	x.n--
	// Those behind it move up, each no further than to its own slot.
	for i := (free + 1) & last; x.slots[i] != 0; i = (i + 1) & last {
		home := x.home(uint32(x.slots[i] >> 32))
		if (i-home)&last >= (i-free)&last {
			x.slots[free] = x.slots[i]
			free = i
		}
	}
	x.slots[free] = 0
}

// home is the slot that a half names.
func (x *Index) home(half uint32) int {
	return int(uint64(half) * uint64(len(x.slots)) >> 32)
}

func (x *Index) put(entry uint64) {
	last := len(x.slots) - 1
	i := x.home(uint32(entry >> 32))
	for x.slots[i] != 0 {
		i = (i + 1) & last
	}
	x.slots[i] = entry
}

func (x *Index) grow() {
	old := x.slots
	x.slots = make([]uint64, max(2*len(old), leastSlots))
	// What went round the end follows what stands there.
	round := 0
	for round < len(old) && old[round] != 0 {
		round++
	}
	for _, part := range [][]uint64{old[round:], old[:round]} {
		for _, entry := range part {
			if entry != 0 {
				x.put(entry)
			}
		}
	}
}
