package sink

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protojson"

	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// lines is a file with a maillage.feed.v1.Commit in JSON a line, as follow.AppendLine has
// it. Beside it, FILE.place is
// how far it is good: what a crash left beyond that is cut.
type lines struct {
	file  *os.File
	place string
	size  int64
	far   far
}

// far is what FILE.place holds. It stands there before the first line: lines without it are
// none of ours, or have lost it, and nothing of them is cut.
type far struct {
	Records int          `json:"records"` // that were taken
	Place   follow.Place `json:"place"`
}

func openLines(name string) (_ *lines, err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // a copy of what is public
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("%s is being written to by another follower: %w", name, ErrTaken)
		}
		return nil, errors.Join(err, f.Close())
	}
	return &lines{file: f, place: name + ".place"}, nil
}

// Place implements Sink. It reads the copy whole.
func (l *lines) Place(context.Context) (follow.Place, error) {
	err := l.begin()
	if err == nil {
		err = l.again()
	}
	return l.far.Place, err
}

// begin reads how far the copy is good, and says so of one that is empty.
func (l *lines) begin() error {
	text, err := os.ReadFile(l.place)
	if err == nil {
		l.far = far{}
		if err := json.Unmarshal(text, &l.far); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrAltered, l.place, err)
		}
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	is, err := l.file.Stat()
	if err != nil {
		return err
	}
	if is.Size() > 0 {
		return fmt.Errorf("%w: %s is not there to tell how far it is good", ErrAltered, l.place)
	}
	return l.keep()
}

// again reads the lines, and cuts what is beyond the place.
func (l *lines) again() error {
	place := l.far.Place
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	l.size = 0
	kept := func(yield func(*feedv1.Commit, error) bool) {
		in := bufio.NewReaderSize(l.file, 1<<20)
		for {
			line, err := in.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				return // what has no end was being written
			}
			c := &feedv1.Commit{}
			if err == nil {
				err = protojson.Unmarshal(line, c)
			}
			if err == nil && len(c.GetRecords()) == 0 {
				err = errors.New("no record")
			}
			if err != nil {
				yield(nil, fmt.Errorf("%w: the line at byte %d: %w", ErrAltered, l.size, err))
				return
			}
			if lastOf(c) > place.Position {
				return // not yet taken when it was written
			}
			l.size += int64(len(line))
			if !yield(c, nil) {
				return
			}
		}
	}
	if err := check(place, l.far.Records, kept); err != nil {
		return err
	}
	if err := l.file.Truncate(l.size); err != nil {
		return err
	}
	_, err := l.file.Seek(l.size, io.SeekStart)
	return err
}

// Take implements Sink.
func (l *lines) Take(_ context.Context, b follow.Batch) error {
	var out []byte
	l.far.Place = b.After
	for _, c := range b.Commits {
		l.far.Records += len(c.GetRecords())
		var err error
		if out, err = follow.AppendLine(out, c); err != nil {
			return err
		}
	}
	if _, err := l.file.Write(out); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.size += int64(len(out))
	return l.keep()
}

func (l *lines) keep() error {
	text, err := json.Marshal(l.far)
	if err != nil {
		return err
	}
	return replace(l.place, text)
}

// replace puts a file in the place of one, whole or not at all.
func replace(name string, content []byte) error {
	next := name + ".next"
	f, err := os.Create(next)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(next, name)
}

// Close implements Sink.
func (l *lines) Close() error { return l.file.Close() }
