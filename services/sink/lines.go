package sink

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protojson"

	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// lines is a file with a maillage.feed.v1.Commit in JSON a line. Beside it, FILE.place is
// how far it is good: what a crash left beyond that is cut.
type lines struct {
	file  *os.File
	place string
	size  int64
}

func openLines(name string) (_ *lines, err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // a copy of what is public
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is being written by another follower: %w", name, err), f.Close())
	}
	return &lines{file: f, place: name + ".place"}, nil
}

// Place implements Sink. It reads the copy whole.
func (l *lines) Place(context.Context) (place follow.Place, err error) {
	text, err := os.ReadFile(l.place)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return place, err
	}
	if err := place.UnmarshalText(text); err != nil {
		return place, err
	}
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return place, err
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
	if err := check(place, kept); err != nil {
		return place, err
	}
	if err := l.file.Truncate(l.size); err != nil {
		return place, err
	}
	_, err = l.file.Seek(l.size, io.SeekStart)
	return place, err
}

// Take implements Sink.
func (l *lines) Take(_ context.Context, b follow.Batch) error {
	var out bytes.Buffer
	for _, c := range b.Commits {
		line, err := protojson.Marshal(c)
		if err != nil {
			return err
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	if _, err := l.file.Write(out.Bytes()); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.size += int64(out.Len())
	text, err := b.After.MarshalText()
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
