package follow

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/proto/merkle"
)

// AppendLine appends a commit as the line of a copy: the JSON of the message, without
// spaces, and a line feed. A commit has one line only, the same for ever and everywhere:
// two copies of a log are the same bytes. An error says that its known time is no time.
func AppendLine(b []byte, c *feedv1.Commit) ([]byte, error) {
	b = append(b, `{"records":[`...)
	for i, r := range c.GetRecords() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"position":"`...)
		b = strconv.AppendUint(b, r.GetPosition(), 10)
		b = append(b, `","subject":`...)
		subject, err := json.Marshal(r.GetSubject())
		if err != nil {
			return nil, err
		}
		b = append(b, subject...)
		b = append(b, `,"body":"`...)
		b = base64.StdEncoding.AppendEncode(b, r.GetBody())
		b = append(b, `"}`...)
	}
	b = append(b, ']')
	if c.GetKnownTime() != nil {
		known, err := protojson.Marshal(c.GetKnownTime())
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"knownTime":`...), known...)
	}
	if c.GetCursor() != "" {
		b = append(append(append(b, `,"cursor":"`...), c.GetCursor()...), '"')
	}
	return append(b, "}\n"...), nil
}

// ReadLines yields the commits of lines. A last line without an end is left out: it was
// being written. It is an error where a line is no commit, or one without records.
func ReadLines(r io.Reader) iter.Seq2[*feedv1.Commit, error] {
	return func(yield func(*feedv1.Commit, error) bool) {
		in := bufio.NewReaderSize(r, 1<<20)
		for at := int64(0); ; {
			line, err := in.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				return
			}
			c := &feedv1.Commit{}
			if err == nil {
				err = protojson.Unmarshal(line, c)
			}
			if err == nil && len(c.GetRecords()) == 0 {
				err = errors.New("no record")
			}
			if err != nil {
				yield(nil, fmt.Errorf("the line at byte %d: %w", at, err))
				return
			}
			if at += int64(len(line)); !yield(c, nil) {
				return
			}
		}
	}
}

// batchRecords is about how many records Replay hands on at once.
const batchRecords = 4096

// Replay hands on commits that were kept elsewhere, from the first of the log on, as a
// follower hands on what it is sent: in batches, each with the place after it. Their
// positions must be dense: else the error is a *GapError.
func Replay(commits iter.Seq2[*feedv1.Commit, error]) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		c := check{whole: true, place: Place{tree: &merkle.Tree{}}}
		var batch []*feedv1.Commit
		records := 0
		for one, err := range commits {
			if err == nil {
				err = c.commit(one)
			}
			if err != nil {
				yield(Batch{}, err)
				return
			}
			batch = append(batch, one)
			if records += len(one.GetRecords()); records >= batchRecords {
				if !yield(Batch{Commits: batch, After: c.kept()}, nil) {
					return
				}
				batch, records = nil, 0
			}
		}
		if len(batch) > 0 {
			yield(Batch{Commits: batch, After: c.kept()}, nil)
		}
	}
}
