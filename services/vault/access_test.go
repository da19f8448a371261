package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// accesses reads the record: what stands for a damaged line is one without a time.
func accesses(tb testing.TB, v *Vault, since time.Time, after string) (all []Access) {
	tb.Helper()
	for a, err := range v.Accesses(since, after) {
		if err != nil && !errors.Is(err, ErrAltered) {
			tb.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

func record(tb testing.TB, v *Vault, a Access) {
	tb.Helper()
	if err := v.Record(a); err != nil {
		tb.Fatal(err)
	}
}

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	october := time.Date(2026, 10, 31, 23, 59, 59, 0, time.UTC)
	many := make([]string, 2*lineValues+1)
	for i := range many {
		many[i] = fmt.Sprintf("V%09d", i)
	}
	record(t, v, Access{Time: october, Account: "A", Method: "/a", Values: []string{"V1"}})
	record(t, v, Access{Time: october.Add(time.Second), Method: "/b", Values: many})
	record(t, v, Access{Method: "/none"})
	all := accesses(t, v, time.Time{}, "")
	if len(all) != 4 || all[0].Account != "A" || all[0].Method != "/a" || !all[0].Time.Equal(october) || all[0].Call == all[1].Call {
		t.Fatal(all)
	}
	if parts := all[1:]; parts[0].Call != parts[2].Call || !slices.Equal(slices.Concat(parts[0].Values, parts[1].Values, parts[2].Values), many) {
		t.Error("the parts of a call are not the call", parts)
	}
	for at, a := range all {
		if rest := accesses(t, v, time.Time{}, a.Place); len(rest) != len(all)-at-1 {
			t.Errorf("after %s come %d", a.Place, len(rest))
		}
	}
	if since := accesses(t, v, october.Add(time.Second), ""); len(since) != 3 {
		t.Error(since)
	}
	for _, month := range []string{"2026-10", "2026-11"} {
		content, err := os.ReadFile(filepath.Join(dir, "access", month+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			if len(line) > 4096 {
				t.Errorf("a line of %d bytes", len(line))
			}
		}
	}
	for _, place := range []string{"x", "2026-11", "2026-11.x", "2026-13.0", "../key.0", "2026-11.-1"} {
		for _, err := range v.Accesses(time.Time{}, place) {
			if !errors.Is(err, ErrText) {
				t.Errorf("%s: %v", place, err)
			}
		}
	}
	if now := time.Now().UTC(); true {
		record(t, v, Access{Method: "/now", Values: []string{"V"}})
		if last := accesses(t, v, now.Add(-time.Minute), ""); len(last) != 1 || last[0].Time.Before(now.Add(-time.Minute)) || last[0].Time.Location() != time.UTC {
			t.Error(last)
		}
	}
}

// A line that was torn harms none but itself; what is being written is not read.
func TestRecordTorn(t *testing.T) {
	v := open(t, t.TempDir())
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	one := Access{Time: at, Method: "/a", Values: []string{"V1"}}
	record(t, v, one)
	name := filepath.Join(v.dir, "access", "2026-11.jsonl")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append(whole, whole[:30]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if all := accesses(t, v, time.Time{}, ""); len(all) != 1 {
		t.Fatal("an open end is read", all)
	}
	record(t, v, one)
	var read, damaged int
	for a, err := range v.Accesses(at, "") {
		switch {
		case errors.Is(err, ErrAltered) && a.Place != "":
			damaged++
		case err == nil && slices.Equal(a.Values, one.Values):
			read++
		default:
			t.Error(a, err)
		}
	}
	if read != 2 || damaged != 1 {
		t.Errorf("%d lines are read, %d damaged", read, damaged)
	}
}

// Where nothing can be written down, that is an error.
func TestRecordRefused(t *testing.T) {
	v := open(t, t.TempDir())
	dir := filepath.Join(v.dir, "access")
	if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := v.Record(Access{Values: []string{"V1"}}); err == nil {
		t.Fatal("recorded nowhere")
	}
}

// Several processes write one record: no line stands within another.
func TestRecordTogether(t *testing.T) {
	dir := t.TempDir()
	vaults := []*Vault{open(t, dir), open(t, dir)}
	values := make([]string, lineValues)
	for i := range values {
		values[i] = fmt.Sprintf("V%09d", i)
	}
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for n := range 8 {
		wg.Go(func() {
			for range 25 {
				if err := vaults[n%2].Record(Access{Method: fmt.Sprint(n), Values: values}); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	got := map[string]int{}
	for a, err := range vaults[0].Accesses(time.Time{}, "") {
		if err != nil || !slices.Equal(a.Values, values) {
			t.Fatal(a, err)
		}
		got[a.Method]++
	}
	for n := range 8 {
		if got[fmt.Sprint(n)] != 25 {
			t.Errorf("of %d there are %d", n, got[fmt.Sprint(n)])
		}
	}
}

// BenchmarkRecord gives out the heads of 2,500 labels, with their access and without.
func BenchmarkRecord(b *testing.B) {
	v := open(b, b.TempDir())
	texts := make([]string, 2500)
	for i := range texts {
		texts[i] = fmt.Sprintf("Pr Prénom Nom-%d", i)
	}
	ids := make([]string, len(texts))
	for i, p := range put(b, v, "head", texts...) {
		ids[i] = p.GetValueId()
	}
	for _, recorded := range []bool{false, true} {
		b.Run(fmt.Sprintf("recorded=%t", recorded), func(b *testing.B) {
			for b.Loop() {
				for _, id := range ids {
					if _, ok, err := v.Get(id); !ok || err != nil {
						b.Fatal(err)
					}
				}
				if recorded {
					record(b, v, Access{Method: "/maillage.registry.v1.RegistryService/ListLabels", Values: ids})
				}
			}
		})
	}
}
