package vault

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"maillage/services/identifier"
)

// Access is that a caller was given values, or a part of that: one of many values stands in
// the record several times, under one Call.
type Access struct {
	Time    time.Time `json:"time"`    // UTC
	Call    string    `json:"call"`    // opaque, minted here
	Account string    `json:"account"` // opaque id; "" for a caller who says no name
	Method  string    `json:"method"`  // of gRPC, /package.Service/Method
	Values  []string  `json:"values"`  // ids

	// Place is where it ends in the record, for [Vault.Accesses]; not written.
	Place string `json:"-"`
}

const (
	accessDir  = "access"
	accessFile = "2006-01" // of the month in UTC, and accessExt
	accessExt  = ".jsonl"
	// lineValues bounds a line of the record to some 4 KiB, which a file system appends as one.
	lineValues = 256
)

// Record writes an access down; Call is set here, and Time where it is zero. What it wrote
// outlives the process but not a power cut: it flushes nothing, since whoever reads a name
// would wait for the disk. On an error the values are not to be given out.
func (v *Vault) Record(a Access) error {
	if len(a.Values) == 0 {
		return nil
	}
	if a.Time.IsZero() {
		a.Time = time.Now()
	}
	a.Time, a.Call = a.Time.UTC().Truncate(time.Millisecond), identifier.NewID()
	name := filepath.Join(v.dir, accessDir, a.Time.Format(accessFile)+accessExt)
	// Opened each time: what was moved away or restored meanwhile is not written to.
	f, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	err = appendAccess(f, a)
	return errors.Join(err, f.Close())
}

// appendAccess appends lines, each with one write, so that those of other processes stand
// between lines and never within one.
func appendAccess(f *os.File, a Access) error {
	torn, err := endsTorn(f)
	if err != nil {
		return err
	}
	var b []byte
	for values := range slices.Chunk(a.Values, lineValues) {
		a.Values = values
		line, err := json.Marshal(a)
		if err != nil {
			return err
		}
		if b = b[:0]; torn {
			b, torn = append(b, '\n'), false
		}
		if _, err := f.Write(append(append(b, line...), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// endsTorn tells whether a file ends within a line, as after a disk was full: what follows
// must not be joined to that.
func endsTorn(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// Accesses yields what the record holds from a time on, in the order of the writing. It goes
// on after the Place of an access, where one is given: ErrText where that is no place. A line
// that is none is ErrAltered, with its place, and the others follow; an end without a line end
// is of a line that is being written, and is left out.
func (v *Vault) Accesses(since time.Time, after string) iter.Seq2[Access, error] {
	return func(yield func(Access, error) bool) {
		first, offset, err := parsePlace(after)
		if err != nil {
			yield(Access{}, err)
			return
		}
		files, err := os.ReadDir(filepath.Join(v.dir, accessDir))
		if err != nil {
			yield(Access{}, err)
			return
		}
		first = max(first, since.UTC().Format(accessFile))
		for _, f := range files { // by name, and so by month
			month, is := strings.CutSuffix(f.Name(), accessExt)
			if !is || month < first {
				continue
			}
			from := int64(0)
			if strings.HasPrefix(after, month) {
				from = offset
			}
			if !v.accessesOf(month, from, since, yield) {
				return
			}
		}
	}
}

// parsePlace is the month and the offset, in bytes, of a place.
func parsePlace(place string) (month string, offset int64, err error) {
	if place == "" {
		return "", 0, nil
	}
	month, at, _ := strings.Cut(place, ".")
	_, err = time.Parse(accessFile, month)
	if offset, bad := strconv.ParseInt(at, 10, 64); err == nil && bad == nil && offset >= 0 {
		return month, offset, nil
	}
	return "", 0, fmt.Errorf("%w: %q is no place in the record of accesses", ErrText, place)
}

// accessesOf yields those of a month after an offset, and tells whether more are wanted.
func (v *Vault) accessesOf(month string, offset int64, since time.Time, yield func(Access, error) bool) bool {
	f, err := os.Open(filepath.Join(v.dir, accessDir, month+accessExt))
	if errors.Is(err, fs.ErrNotExist) {
		return true // taken away meanwhile, as its time was over
	}
	if err != nil {
		return yield(Access{}, err)
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return yield(Access{}, err)
	}
	for lines := bufio.NewReaderSize(f, 1<<16); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return errors.Is(err, io.EOF) || yield(Access{}, err)
		}
		offset += int64(len(line))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		a := Access{Place: fmt.Sprintf("%s.%d", month, offset)}
		if json.Unmarshal(line, &a) != nil || a.Time.IsZero() {
			err = fmt.Errorf("%w: the access that ends at %s", ErrAltered, a.Place)
		} else if a.Time.Before(since) {
			continue
		}
		if !yield(a, err) {
			return false
		}
	}
}
