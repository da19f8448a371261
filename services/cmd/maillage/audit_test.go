package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestWriteWhole: until a file is whole the one before it stands, and what is being written
// is on the same disk; nothing of one that fails is left.
func TestWriteWhole(t *testing.T) {
	dir := t.TempDir()
	name, full := filepath.Join(dir, "bundle"), errors.New("the disk is full")
	for _, step := range []struct {
		text string
		fail error
		then string
	}{{"one", nil, "one"}, {"two", full, "one"}, {"three", nil, "three"}} {
		before, _ := os.ReadFile(name)
		err := writeWhole(name, func(w io.Writer) error {
			_, err := io.WriteString(w, step.text)
			there, _ := filepath.Glob(filepath.Join(dir, ".maillage-*"))
			if now, _ := os.ReadFile(name); string(now) != string(before) || len(there) != 1 {
				t.Errorf("while it is written %q is there, beside %v", now, there)
			}
			return errors.Join(err, step.fail)
		})
		if !errors.Is(err, step.fail) {
			t.Error(err)
		}
		all, _ := os.ReadDir(dir)
		if now, _ := os.ReadFile(name); string(now) != step.then || len(all) != 1 {
			t.Errorf("after %q there is %q, and %v", step.text, now, all)
		}
	}
}
