package sink_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/eventlog"
	"maillage/services/registry"
	"maillage/services/registry/postgres"
	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/sink"
)

// copies are the implementations: each opens a new sink, or the same one again, and alters
// what it keeps.
type copies struct {
	name  func(t *testing.T) string
	alter func(t *testing.T, name string)
	empty func(t *testing.T, name string)
}

var all = map[string]copies{
	"lines": {
		name:  func(t *testing.T) string { return "jsonl:" + filepath.Join(t.TempDir(), "copy.jsonl") },
		alter: alterLines,
		empty: func(t *testing.T, name string) {
			t.Helper()
			if err := os.Truncate(strings.TrimPrefix(name, "jsonl:"), 0); err != nil {
				t.Fatal(err)
			}
		},
	},
	"table": {
		name:  func(t *testing.T) string { return postgrestest.Database(t) },
		alter: alterTable,
		empty: func(t *testing.T, name string) {
			t.Helper()
			query(t, name, "WITH gone AS (DELETE FROM maillage_event RETURNING position) SELECT count(*)::text FROM gone")
		},
	},
}

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var answer string
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func alterTable(t *testing.T, name string) {
	t.Helper()
	query(t, name, "UPDATE maillage_event SET subject = replace(subject, 'label.X2', 'label.Y2') WHERE position = 2 RETURNING subject")
}

func alterLines(t *testing.T, name string) {
	t.Helper()
	file := strings.TrimPrefix(name, "jsonl:")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b = []byte(strings.Replace(string(b), "label.X2", "label.Y2", 1))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, name string) sink.Sink {
	t.Helper()
	s, err := sink.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// batches are commits of the sizes given, one a batch, and the places after them.
func batches(t *testing.T, sizes ...int) []follow.Batch {
	t.Helper()
	var commits []*feedv1.Commit
	var out []follow.Batch
	at := uint64(0)
	for _, n := range sizes {
		c := &feedv1.Commit{KnownTime: timestamppb.Now(), Cursor: fmt.Sprintf("c%d", at+uint64(n))}
		for range n {
			at++
			c.Records = append(c.Records, &feedv1.Record{Position: at, Subject: fmt.Sprintf("registry.labelling.label.X%d", at), Body: []byte{byte(at), 0xff}})
		}
		commits = append(commits, c)
		place, err := follow.Resume(func(yield func(*feedv1.Commit, error) bool) {
			for _, c := range commits {
				if !yield(c, nil) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, follow.Batch{Commits: commits[len(commits)-1:], After: place})
	}
	return out
}

func same(t *testing.T, got, want follow.Place) {
	t.Helper()
	a, err1 := got.MarshalText()
	b, err2 := want.MarshalText()
	if err := errors.Join(err1, err2); err != nil || string(a) != string(b) {
		t.Errorf("the copy is at %s, not %s: %v", a, b, err)
	}
}

func TestSinks(t *testing.T) {
	for kind, c := range all {
		t.Run(kind, func(t *testing.T) {
			t.Run("goes on where it ended", func(t *testing.T) {
				name, given := c.name(t), batches(t, 1, 3, 2)
				for i, b := range given {
					s := open(t, name)
					place, err := s.Place(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					same(t, place, slices.Concat([]follow.Batch{{}}, given)[i].After)
					if err := s.Take(t.Context(), b); err != nil {
						t.Fatal(err)
					}
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
				}
			})
			t.Run("moves on without commits", func(t *testing.T) {
				name := c.name(t)
				s := open(t, name)
				place, err := follow.From(7, "c9", &feedv1.Filter{Kinds: []string{"label"}})
				if err == nil {
					err = s.Take(t.Context(), follow.Batch{After: place})
				}
				if err := errors.Join(err, s.Close()); err != nil {
					t.Fatal(err)
				}
				s = open(t, name)
				defer s.Close()
				got, err := s.Place(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				same(t, got, place)
			})
			t.Run("has one follower", func(t *testing.T) {
				name := c.name(t)
				s := open(t, name)
				if _, err := sink.Open(t.Context(), name); !errors.Is(err, sink.ErrTaken) {
					t.Errorf("two followers write to one copy: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if err := open(t, name).Close(); err != nil {
					t.Fatal(err)
				}
			})
			t.Run("refuses what is missing", func(t *testing.T) {
				name := c.name(t)
				s := open(t, name)
				_, err := s.Place(t.Context())
				for _, b := range batches(t, 1, 3) { // as with a filter: no root tells
					place, err2 := follow.From(b.After.Position, b.After.Cursor, &feedv1.Filter{Kinds: []string{"label"}})
					err = errors.Join(err, err2, s.Take(t.Context(), follow.Batch{Commits: b.Commits, After: place}))
				}
				if err := errors.Join(err, s.Close()); err != nil {
					t.Fatal(err)
				}
				c.empty(t, name)
				s = open(t, name)
				defer s.Close()
				if _, err := s.Place(t.Context()); !errors.Is(err, sink.ErrAltered) {
					t.Errorf("a copy that was emptied: %v", err)
				}
			})
			t.Run("refuses what was altered", func(t *testing.T) {
				name := c.name(t)
				s := open(t, name)
				for _, b := range batches(t, 1, 3) {
					if err := s.Take(t.Context(), b); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				c.alter(t, name)
				s = open(t, name)
				defer s.Close()
				if _, err := s.Place(t.Context()); !errors.Is(err, sink.ErrAltered) {
					t.Errorf("an altered copy: %v", err)
				}
			})
		})
	}
}

// A file that no place stands beside is not cut, whoever wrote it.
func TestLinesWithoutPlace(t *testing.T) {
	for name, content := range map[string]string{
		"a copy": `{"records":[{"position":"1"}]}` + "\n", "a note": "bring bread", "no commit": "{}\n", "lines": "a\nb\n",
	} {
		file := filepath.Join(t.TempDir(), "copy.jsonl")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, "jsonl:"+file)
		_, err := s.Place(t.Context())
		if !errors.Is(err, sink.ErrAltered) {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadFile(file); err != nil || string(left) != content {
			t.Errorf("%s: %q is left: %v", name, left, err)
		}
	}
}

// A batch comes into the table with its place or not at all, and a commit that is there
// twice is refused.
func TestTableWhole(t *testing.T) {
	url, given := postgrestest.Database(t), batches(t, 1, 3)
	s := open(t, url)
	for _, b := range given {
		if err := s.Take(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	torn := batches(t, 1, 3, 2)[2]
	torn.Commits[0].Records[1].Position = 4 // it stands there already
	if err := s.Take(t.Context(), torn); err == nil {
		t.Error("a position was taken twice")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	const sums = "SELECT string_agg(concat_ws('|', position, subject, encode(body, 'hex'), commit_end), ' ' ORDER BY position) FROM maillage_event"
	want := "1|registry.labelling.label.X1|01ff|1 2|registry.labelling.label.X2|02ff|4 3|registry.labelling.label.X3|03ff|4 4|registry.labelling.label.X4|04ff|4"
	if got := query(t, url, sums); got != want {
		t.Errorf("the table holds %s", got)
	}
	s = open(t, url)
	defer s.Close()
	place, err := s.Place(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, place, given[1].After)
}

// A copy may lie in the database that reads are answered from: neither keeps the other out.
func TestTableBesideReadModel(t *testing.T) {
	url := postgrestest.Database(t)
	s := open(t, url)
	defer s.Close()
	rows, err := postgres.Open(t.Context(), url, postgres.Register{
		View: func(ctx context.Context, _ uint64, _ func(*registry.State, uint64)) error {
			<-ctx.Done() // nothing is recorded yet
			return ctx.Err()
		},
		Records:   func(context.Context, uint64, uint64) iter.Seq2[eventlog.Record, error] { return nil },
		CommitEnd: func(uint64) uint64 { return 0 },
		KnownTime: func(uint64) time.Time { return time.Time{} },
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- rows.Run(ctx) }()
	for !rows.Progress().Projects && ctx.Err() == nil {
		runtime.Gosched()
	}
	if ctx.Err() != nil {
		t.Error("the rows are not kept while a follower writes to the database")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What a crash left in the file beyond the place is cut, whole lines and parts of one.
func TestLinesAfterCrash(t *testing.T) {
	given := batches(t, 1, 3, 2)
	for name, left := range map[string]string{"nothing": "", "part of a line": `{"records":[{"pos`, "no end": `{"records":[{"position":"5"}]}`} {
		t.Run(name, func(t *testing.T) {
			copied := all["lines"].name(t)
			file := strings.TrimPrefix(copied, "jsonl:")
			s := open(t, copied)
			for _, b := range given[:2] {
				if err := s.Take(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			placed, err := os.ReadFile(file + ".place")
			if err != nil {
				t.Fatal(err)
			}
			if left == "" { // a whole batch was written, and its place was not
				err = s.Take(t.Context(), given[2])
			}
			if err := errors.Join(err, s.Close()); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			err = errors.Join(os.WriteFile(file, append(b, left...), 0o600), os.WriteFile(file+".place", placed, 0o600))
			if err != nil {
				t.Fatal(err)
			}
			s = open(t, copied)
			place, err := s.Place(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			same(t, place, given[1].After)
			if err := errors.Join(s.Take(t.Context(), given[2]), s.Close()); err != nil {
				t.Fatal(err)
			}
			s = open(t, copied)
			defer s.Close()
			if place, err = s.Place(t.Context()); err != nil {
				t.Fatal(err)
			}
			same(t, place, given[2].After)
		})
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "jsonl:", "postgres:", "file.jsonl", "mysql://x"} {
		if _, err := sink.Open(t.Context(), name); !errors.Is(err, sink.ErrName) {
			t.Errorf("%q is a sink: %v", name, err)
		}
	}
}
