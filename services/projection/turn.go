package projection

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	turnMemory   = 200 * time.Millisecond // for which another process counts as appending too
	turnPatience = 50 * time.Millisecond  // with whoever's turn it is
	turnLongest  = 250 * time.Millisecond // for which a process waits for its turn at all
)

// turn is what a process knows of whose turn it is to append. Of processes that decide on
// the same head only one is right, and the work of the others is lost; so those that see
// each other append ask for turns, and take them in the order in which they asked.
//
// It is advice: what is told may be lost, late, or of a process that has died since.
// Nothing rests on it but speed, for the log takes no append that is not at its end.
type turn struct {
	name  string    // of this process
	asked bool      // this process wants a turn, or has it
	line  []string  // who wants turns, the next first; this process among them once it asked
	least uint64    // the log stood here when the last turn ended
	other time.Time // when another process was last noticed
}

// hear takes in what a process told, this one included.
func (t *turn) hear(b []byte) {
	var kind, name string
	var position uint64
	if _, err := fmt.Sscan(string(b), &kind, &name, &position); err != nil {
		return
	}
	wants := kind == "ask"
	if name == t.name {
		wants = t.asked // an older word of its own may come late
	} else {
		t.other = time.Now()
		t.least = max(t.least, position)
	}
	t.leave(name)
	if wants {
		t.line = append(t.line, name)
	}
}

func (t *turn) leave(name string) {
	t.line = slices.DeleteFunc(t.line, func(n string) bool { return n == name })
}

// Told takes what a process told with Config.Tell.
func (r *Runner) Told(b []byte) {
	select {
	case r.told <- b:
	default: // it is advice
	}
}

// giveWay waits for this process's turn where others append too. In front of it stands
// only who asked before it, and whoever does not use a turn in time is passed over.
func (r *Runner) giveWay(ctx context.Context) error {
	t := &r.turn
	if r.tell == nil || time.Since(t.other) > turnMemory {
		return nil
	}
	if !t.asked {
		t.asked = true
		t.line = append(t.line, t.name) // its own word moves it behind those heard before
		r.tell(fmt.Appendf(nil, "ask %s 0", t.name))
	}
	end := time.Now().Add(turnLongest) // then all that stand in front are passed over
	timer := time.NewTimer(turnPatience)
	defer timer.Stop()
	for first := t.line[0]; first != t.name || r.state.stored < t.least; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-r.broken:
			return err
		case <-timer.C:
			if first != t.name {
				t.leave(first)
			}
			t.least = 0
		case b := <-r.told:
			t.hear(b)
		case rec := <-r.tail:
			if err := r.arrive(ctx, rec); err != nil {
				return err
			}
		}
		if first != t.line[0] {
			first = t.line[0]
			timer.Reset(min(turnPatience, time.Until(end)))
		}
	}
	return nil
}

// pass ends this process's turn.
func (r *Runner) pass() {
	if t := &r.turn; t.asked {
		t.asked = false
		t.leave(t.name)
		r.tell(fmt.Appendf(nil, "pass %s %d", t.name, r.state.stored))
	}
}
