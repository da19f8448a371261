package bitemporal

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The cases that matter need several coincidences, and a case costs microseconds.
func init() { _ = flag.Set("rapid.checks", "3000") }

// The model: what each reader would be told of each day, written out in full.
const days = 10

type grid [days]int // value by day, 0 for none

type model map[uint64]map[string]grid // by position

func (m model) apply(o op) {
	now := maps.Clone(m.at(o.at))
	if now == nil {
		now = map[string]grid{}
	}
	g := now[o.id]
	for d := o.valid.From; d < o.valid.To; d++ {
		g[d] = o.value
	}
	now[o.id] = g
	m[o.at] = now
}

func (m model) at(known uint64) map[string]grid {
	var best uint64
	for at := range m {
		if at <= known {
			best = max(best, at)
		}
	}
	return m[best]
}

// An op asserts value, or retracts where it is 0.
type op struct {
	id    string
	valid Interval
	at    uint64
	value int
}

func (o op) apply(t *Table[int]) []Change[int] {
	if o.value == 0 {
		return t.Retract(o.id, o.valid, o.at)
	}
	return t.Assert(o.id, o.valid, o.at, o.value)
}

var ids = []string{"A", "B", "C", "D"}

// history draws operations at positions that often stay where they are.
func history(r *rapid.T, label string, from uint64) []op {
	ops := make([]op, rapid.IntRange(0, 30).Draw(r, label))
	for i := range ops {
		from += rapid.Uint64Range(0, 2).Draw(r, "step")
		valid := Interval{0, days} // often the whole, so that ids come and go
		if rapid.Bool().Draw(r, "part") {
			valid.From = Date(rapid.IntRange(0, days-1).Draw(r, "from"))
			valid.To = Date(rapid.IntRange(int(valid.From), days).Draw(r, "to"))
		}
		ops[i] = op{
			id:    rapid.SampledFrom(ids).Draw(r, "id"),
			valid: valid,
			at:    from,
			value: max(0, rapid.IntRange(-3, 5).Draw(r, "value")),
		}
		if ops[i].value != 0 {
			ops[i].value = i + 1 // tells every assertion apart
		}
	}
	return ops
}

func readGrid(t *Table[int], id string, known uint64) (g grid) {
	for d := range g {
		if v, ok := t.At(id, Date(d), known); ok {
			g[d] = v
		}
	}
	return g
}

func TestReadsAsTheModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var table Table[int]
		m := model{}
		ops := history(r, "ops", 1)
		last := uint64(0)
		for _, o := range ops {
			o.apply(&table)
			m.apply(o)
			last = o.at
			// Everything read at any position so far, so no correction changed an earlier belief.
			for known := uint64(0); known <= last+1; known++ {
				want := m.at(known)
				for _, id := range ids {
					if got := readGrid(&table, id, known); got != want[id] {
						r.Fatalf("%s at %d after %+v: got %v, want %v", id, known, o, got, want[id])
					}
					checkVersions(r, &table, id, known, want[id])
				}
			}
		}
		for _, id := range ids {
			if got, want := readGrid(&table, id, Latest), m.at(last)[id]; got != want {
				r.Fatalf("%s latest: got %v, want %v", id, got, want)
			}
			history := table.History(id)
			checkDisjoint(r, history)
			if each := slices.SortedFunc(table.Each(id), byRecording); !slices.Equal(each, history) {
				r.Fatalf("%s has %v, of which each is %v", id, history, each)
			}
		}
	})
}

func checkVersions(r *rapid.T, table *Table[int], id string, known uint64, want grid) {
	var got grid
	end := Past
	versions := table.Versions(id, known)
	if n := table.Count(id, known); n != len(versions) {
		r.Fatalf("%s at %d has %d versions, and is counted to have %d", id, known, len(versions), n)
	}
	if last, ok := table.Last(id, known); ok != (len(versions) > 0) || ok && last != versions[len(versions)-1].Value {
		r.Fatalf("last of %s at %d: got %v, %v; versions %+v", id, known, last, ok, versions)
	}
	for _, v := range versions {
		if v.Valid.From < end || v.Valid.From >= v.Valid.To || v.KnownFrom > known || v.KnownTo <= known {
			r.Fatalf("%s at %d: %+v out of order or place", id, known, v)
		}
		end = v.Valid.To
		for d := v.Valid.From; d < v.Valid.To; d++ {
			got[d] = v.Value
		}
	}
	if got != want {
		r.Fatalf("versions of %s at %d: got %v, want %v", id, known, got, want)
	}
}

func checkDisjoint(r *rapid.T, all []Version[int]) {
	for i, a := range all {
		if a.KnownFrom >= a.KnownTo {
			r.Fatalf("%+v was never known", a)
		}
		for _, b := range all[:i] {
			if a.Valid.From < b.Valid.To && b.Valid.From < a.Valid.To && a.KnownFrom < b.KnownTo && b.KnownFrom < a.KnownTo {
				r.Fatalf("%+v and %+v overlap", a, b)
			}
		}
	}
}

func TestRollbackIsAsIfItHadNeverBeen(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var table, want Table[int]
		ops := history(r, "ops", 1)
		settle := rapid.Uint64Range(0, 70).Draw(r, "settle")
		to := rapid.Uint64Range(0, 70).Draw(r, "to") // below settle too: slower, but right
		settleEach := rapid.Bool().Draw(r, "settle as we go")
		for _, o := range ops {
			o.apply(&table)
			if settleEach {
				table.Settle(min(settle, o.at))
			}
			if o.at <= to {
				o.apply(&want)
			}
		}
		if !settleEach {
			table.Settle(settle)
		}
		table.Rollback(to)
		same(r, &table, &want)
		// And it goes on as the other one does, a second rollback included.
		for _, o := range history(r, "more", to+1) {
			got, wanted := o.apply(&table), o.apply(&want)
			if !slices.Equal(got, wanted) {
				r.Fatalf("%+v after rollback: changes %+v, want %+v", o, got, wanted)
			}
		}
		same(r, &table, &want)
		again := rapid.Uint64Range(0, 70).Draw(r, "again")
		table.Rollback(again)
		want.Rollback(again)
		same(r, &table, &want)
	})
}

// All ids in a few chains: the table is the same.
func TestIDsOfOneHash(t *testing.T) {
	defer func(mask uint64) { hashMask = mask }(hashMask)
	hashMask = 1
	t.Run("reads", TestReadsAsTheModel)
	t.Run("rollback", TestRollbackIsAsIfItHadNeverBeen)
}

func same(r *rapid.T, got, want *Table[int]) {
	if g, w := slices.Collect(got.IDs()), slices.Collect(want.IDs()); !slices.Equal(g, w) || got.Len() != len(w) || want.Len() != len(w) {
		r.Fatalf("ids %v (%d), want %v (%d)", g, got.Len(), w, want.Len())
	}
	for _, id := range ids {
		if g, w := got.History(id), want.History(id); !slices.Equal(g, w) {
			r.Fatalf("%s: history %+v, want %+v", id, g, w)
		}
		if g, w := got.Versions(id, Latest), want.Versions(id, Latest); !slices.Equal(g, w) {
			r.Fatalf("%s: versions %+v, want %+v", id, g, w)
		}
	}
}

// A row store as a database is one: rows by key, changed by the changes alone.
func TestChangesCarryTheTable(t *testing.T) {
	type key struct {
		id        string
		from      Date
		knownFrom uint64
	}
	rapid.Check(t, func(r *rapid.T) {
		var table Table[int]
		rows := map[key]Version[int]{}
		for _, o := range history(r, "ops", 1) {
			opening := false
			for _, c := range o.apply(&table) {
				k := key{c.ID, c.Version.Valid.From, c.Version.KnownFrom}
				old, present := rows[k]
				if (c.Op == Opened) == present || opening && c.Op != Opened {
					r.Fatalf("%+v: row present %v, openings before %v", c, present, opening)
				}
				if v := c.Version.Valid; c.Op != Opened && (v.From >= o.valid.To || o.valid.From >= v.To) {
					r.Fatalf("%+v touches %+v, which is none of its days", o, c)
				}
				switch c.Op {
				case Opened:
					opening = true
					rows[k] = c.Version
				case Closed:
					if old.KnownTo = c.Version.KnownTo; old != c.Version {
						r.Fatalf("%+v changes more than the end of %+v", c, old)
					}
					rows[k] = old
				case Dropped:
					delete(rows, k)
				}
			}
			for _, id := range ids {
				var got []Version[int]
				for k, v := range rows {
					if k.id == id {
						got = append(got, v)
					}
				}
				slices.SortFunc(got, byRecording)
				if want := table.History(id); !slices.Equal(got, want) {
					r.Fatalf("%s after %+v: rows %+v, table %+v", id, o, got, want)
				}
			}
		}
	})
}

// What changed is what the rows say, whatever of the bookkeeping is kept; a table filled
// with the rows, in any order, reads as the one they are of.
func TestChangedAndRestored(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var table Table[int]
		position := rapid.Uint64Range(0, 70)
		for _, o := range history(r, "ops", 1) {
			switch rapid.IntRange(0, 5).Draw(r, "between") {
			case 0:
				table.Settle(min(o.at-1, position.Draw(r, "settle")))
			case 1:
				table.Hold(position.Draw(r, "hold"))
			case 2:
				table.Rollback(position.Draw(r, "to"))
			}
			o.apply(&table)
		}
		after, to := position.Draw(r, "after"), rapid.OneOf(position, rapid.Just(Latest)).Draw(r, "up to")
		var got, want, all []row
		for id, v := range table.Changed(after, to) {
			got = append(got, row{id, v})
		}
		for id, v := range table.All() {
			all = append(all, row{id, v})
			if opened, closed := v.KnownFrom > after, v.KnownTo > after && v.KnownTo <= to && v.KnownTo != Latest; v.KnownFrom <= to && (opened || closed) {
				want = append(want, row{id, v})
			}
		}
		slices.SortFunc(got, byKey)
		slices.SortFunc(want, byKey)
		if !slices.Equal(got, want) {
			r.Fatalf("changed after %d up to %d: %+v, want %+v", after, to, got, want)
		}
		checkRestored(r, &table, all)
	})
}

type row struct {
	id string
	v  Version[int]
}

func byKey(a, b row) int { return cmp.Or(cmp.Compare(a.id, b.id), byRecording(a.v, b.v)) }

func checkRestored(r *rapid.T, table *Table[int], all []row) {
	var restored Table[int]
	restored.Restore(func(yield func(string, Version[int]) bool) {
		for _, one := range rapid.Permutation(all).Draw(r, "rows") {
			if !yield(one.id, one.v) {
				return
			}
		}
	})
	order := slices.SortedFunc(table.IDs(), func(a, b string) int {
		x, _ := table.First(a)
		y, _ := table.First(b)
		return cmp.Or(cmp.Compare(x.KnownFrom, y.KnownFrom), cmp.Compare(a, b))
	})
	if got := slices.Collect(restored.IDs()); !slices.Equal(got, order) || restored.Len() != len(order) {
		r.Fatalf("restored ids %v, want %v", got, order)
	}
	for _, id := range ids {
		history := table.History(id)
		if got := restored.History(id); !slices.Equal(got, history) {
			r.Fatalf("%s restored: history %+v, want %+v", id, got, history)
		}
		first, ok := restored.First(id)
		if ok != (len(history) > 0) || ok && first != history[0] {
			r.Fatalf("%s restored: first %+v, %v of %+v", id, first, ok, history)
		}
		for known := range uint64(65) {
			if got, want := readGrid(&restored, id, known), readGrid(table, id, known); got != want {
				r.Fatalf("%s restored, at %d: %v, want %v", id, known, got, want)
			}
			checkVersions(r, &restored, id, known, readGrid(table, id, known))
		}
	}
	to := rapid.Uint64Range(0, 70).Draw(r, "restored, to")
	restored.Rollback(to)
	table.Rollback(to)
	for _, id := range ids {
		if got, want := restored.History(id), table.History(id); !slices.Equal(got, want) {
			r.Fatalf("%s restored and rolled back to %d: %+v, want %+v", id, to, got, want)
		}
	}
}

// What is held is not looked for; what is not, is let go.
func TestHeld(t *testing.T) {
	for name, c := range map[string]struct {
		hold func(*Table[int])
		want int // entities looked at for the last 10 positions
	}{
		"not held":          {func(*Table[int]) {}, 100},
		"held":              {func(t *Table[int]) { t.Hold(90) }, 10},
		"held from before":  {func(t *Table[int]) { t.Hold(80) }, 10},
		"held from later":   {func(t *Table[int]) { t.Hold(95) }, 100},
		"held no longer":    {func(t *Table[int]) { t.Hold(90); t.Hold(Latest) }, 100},
		"held after others": {func(t *Table[int]) { t.Hold(10); t.Settle(50); t.Hold(90) }, 10},
	} {
		var table Table[int]
		for i := range 100 {
			table.Assert(fmt.Sprint(i), Interval{0, days}, uint64(i+1), i)
		}
		c.hold(&table)
		table.Settle(100)
		looked := 0
		for range table.touchedBetween(90, 100) {
			looked++
		}
		if looked != c.want {
			t.Errorf("%s: %d entities are looked at, want %d", name, looked, c.want)
		}
	}
}

func TestACorrectionInTheMiddle(t *testing.T) {
	var table Table[string]
	table.Assert("site", Interval{date(t, "2017-11-25"), Future}, 5, "constitutive")
	changes := table.Assert("site", Interval{date(t, "2019-01-01"), date(t, "2020-01-01")}, 9, "competence")
	if got := fmt.Sprint(changes); got != "[{2 site {{2017-11-25 infinity} 5 9 constitutive}} "+
		"{1 site {{2017-11-25 2019-01-01} 9 18446744073709551615 constitutive}} "+
		"{1 site {{2019-01-01 2020-01-01} 9 18446744073709551615 competence}} "+
		"{1 site {{2020-01-01 infinity} 9 18446744073709551615 constitutive}}]" {
		t.Errorf("changes %s", got)
	}
	for _, c := range []struct {
		day   string
		known uint64
		want  string
	}{
		{"2019-06-01", 4, ""},
		{"2019-06-01", 5, "constitutive"},
		{"2019-06-01", 8, "constitutive"},
		{"2019-06-01", 9, "competence"},
		{"2019-06-01", Latest, "competence"},
		{"2018-12-31", Latest, "constitutive"},
		{"2020-01-01", Latest, "constitutive"},
		{"2017-11-24", Latest, ""},
	} {
		if got, ok := table.At("site", date(t, c.day), c.known); got != c.want || ok != (c.want != "") {
			t.Errorf("%s known at %d: %q, %v; want %q", c.day, c.known, got, ok, c.want)
		}
	}
}

func TestEdges(t *testing.T) {
	whole := Interval{Past, Future}
	for _, c := range []struct {
		given string
		when  func(t *Table[int])
		want  string // ids, then versions of A
	}{
		{"the zero table", func(t *Table[int]) { t.Rollback(0); t.Settle(9) }, "[] []"},
		{"an empty interval", func(t *Table[int]) { t.Assert("A", Interval{5, 5}, 1, 1); t.Assert("A", Interval{6, 5}, 1, 1) }, "[] []"},
		{"a retraction of nothing", func(t *Table[int]) { t.Retract("A", whole, 1) }, "[] []"},
		{"all retracted: the id stays", func(t *Table[int]) { t.Assert("A", whole, 1, 7); t.Retract("A", whole, 2) }, "[A] []"},
		{"asserted and retracted at one position: never was", func(t *Table[int]) { t.Assert("A", whole, 1, 7); t.Retract("A", whole, 1) }, "[] []"},
		{"the same, and another id after it", func(t *Table[int]) {
			t.Assert("A", whole, 1, 7)
			t.Assert("B", whole, 1, 8)
			t.Retract("A", whole, 1)
		}, "[B] []"},
		{"the later of two at one position", func(t *Table[int]) { t.Assert("A", whole, 1, 7); t.Assert("A", whole, 1, 8) }, "[A] [8]"},
		{"a position that goes back", func(t *Table[int]) { t.Assert("B", whole, 5, 7); t.Assert("A", whole, 3, 8); t.Rollback(4) }, "[] []"},
		{"entered, and nothing where something is", func(t *Table[int]) { t.Enter("A", whole, 1, 7); t.Enter("A", Interval{5, 6}, 2, 8) }, "[A] [7]"},
		{"an empty interval entered", func(t *Table[int]) { t.Enter("A", Interval{5, 5}, 1, 1) }, "[] []"},
		{"all retracted, entered again", func(t *Table[int]) {
			t.Enter("A", whole, 1, 7)
			t.Retract("A", whole, 2)
			t.Enter("A", whole, 3, 8)
		}, "[A] [8]"},
		{"never was, entered again before another id", func(t *Table[int]) {
			t.Enter("A", whole, 1, 7)
			t.Enter("B", whole, 1, 8)
			t.Retract("A", whole, 1)
			t.Enter("A", whole, 1, 9)
		}, "[A B] [9]"},
		{"in order of first assertion", func(t *Table[int]) {
			t.Assert("B", whole, 1, 1)
			t.Assert("A", whole, 2, 2)
			t.Assert("B", whole, 3, 3)
		}, "[B A] [2]"},
	} {
		var table Table[int]
		c.when(&table)
		values := []int{}
		for _, v := range table.Versions("A", Latest) {
			values = append(values, v.Value)
		}
		all := slices.Collect(table.IDs())
		if got := fmt.Sprint(all, " ", values); fmt.Sprint(all, values) != c.want || table.Len() != len(all) {
			t.Errorf("%s: got %s (%d), want %s", c.given, got, table.Len(), c.want)
		}
	}
}

func TestManyEntities(t *testing.T) {
	const many = 3*1024 + 17
	var table Table[int]
	for i := range many {
		table.Assert(fmt.Sprint(i), Interval{0, 10}, uint64(i+1), i)
	}
	table.Rollback(1024 + 5)
	if table.Len() != 1024+5 {
		t.Fatalf("%d left", table.Len())
	}
	for i := 1024 + 5; i < many; i++ {
		table.Assert(fmt.Sprint(i), Interval{0, 10}, uint64(i+1), -i)
	}
	i := 0
	for id := range table.IDs() {
		want := i
		if i >= 1024+5 {
			want = -i
		}
		if v, ok := table.At(id, 3, Latest); id != fmt.Sprint(i) || !ok || v != want {
			t.Fatalf("%d: %s holds %d, %v", i, id, v, ok)
		}
		if i++; i == many-1 {
			break
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	var table Table[int]
	table.Assert("A", Interval{0, 10}, 1, 1)
	table.Assert("A", Interval{5, 10}, 2, 2)
	if n := testing.AllocsPerRun(100, func() { table.At("A", 3, 1); table.At("A", 7, Latest); table.Last("A", 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
