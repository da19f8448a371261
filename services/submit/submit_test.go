package submit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/projection"
	"maillage/services/submit"
	"maillage/services/vault"
)

// faulty is a log whose appends a test makes fail, once it has set fail.
type faulty struct {
	*eventlog.Memory
	fail    func(n int, store func() error) error // the n-th append
	appends int
	follow  chan struct{} // closed once what comes after position 2 is delivered
}

func (f *faulty) Append(ctx context.Context, expected uint64, records []eventlog.Record) error {
	store := func() error { return f.Memory.Append(ctx, expected, records) }
	if f.fail == nil || expected < 2 {
		return store()
	}
	f.appends++
	return f.fail(f.appends, store)
}

func (f *faulty) Follow(ctx context.Context, from eventlog.Cursor) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		for rec, err := range f.Memory.Follow(ctx, from) {
			if rec.Position > 2 {
				select {
				case <-f.follow:
				case <-ctx.Done():
				}
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// desk is a desk over a log that stands at 2.
type desk struct {
	*submit.Desk
	log *faulty
	dir string          // of the vault
	ctx context.Context // an officer's
}

func open(t *testing.T, fail func(n int, store func() error) error) *desk {
	t.Helper()
	d := &desk{
		log: &faulty{Memory: eventlog.NewMemory(), fail: fail, follow: make(chan struct{})}, dir: t.TempDir(),
		ctx: metadata.NewIncomingContext(t.Context(), metadata.Pairs(submit.IdentityKey, "officer")),
	}
	first := granted(nil)
	first.Meta.CommitSize = 1
	body, err := proto.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.log.Memory.Append(t.Context(), 0, []eventlog.Record{{Subject: subject, Body: body}}); err != nil {
		t.Fatal(err)
	}
	store, err := ledger.Open(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	v, err := vault.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	d.Desk = &submit.Desk{Vault: v, Rights: projection.Rights{Own: "registry."}, Runner: projection.NewRunner(projection.Config{Log: d.log, Ledger: store, Fold: projection.Fold{
		Evolve: func(rec eventlog.Record) (*eventv1.Meta, error) {
			var e labellingv1.Event
			err := proto.Unmarshal(rec.Body, &e)
			return e.GetMeta(), err
		},
		Rollback: func(uint64) {},
		Settle:   func(uint64) {},
	}})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if _, err := d.Submit(d.ctx, &labellingv1.GrantLabelRequest{RequestId: "first"}, nil, record); err != nil {
		t.Fatal(err)
	}
	return d
}

const subject = "registry.labelling.label.X"

// granted is the one kind of event of these tests: a label under a head.
func granted(head *eventv1.PersonalValue) *labellingv1.Event {
	return &labellingv1.Event{Meta: &eventv1.Meta{}, Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{Head: head}}}
}

// record decides on a label under the first of the heads.
func record(heads []*eventv1.PersonalValue) ([]projection.Event, error) {
	var head *eventv1.PersonalValue
	if len(heads) > 0 {
		head = heads[0]
	}
	e := granted(head)
	return []projection.Event{{Subject: subject, Message: e, Meta: e.GetMeta()}}, nil
}

// refuse decides on nothing.
func refuse([]*eventv1.PersonalValue) ([]projection.Event, error) {
	return nil, fault.New(fault.Refused, "LABEL_OVERLAPS", "grant.period", "there is another label")
}

type decision func(heads []*eventv1.PersonalValue) ([]projection.Event, error)

// grant asks for a label under the name of its head.
func (d *desk) grant(ctx context.Context, decide decision) error {
	_, err := d.Submit(ctx, &labellingv1.GrantLabelRequest{RequestId: "g", Grant: &labellingv1.Grant{HeadName: head}}, d.Names(head), decide)
	return err
}

const head = "Jeanne Martin"

// values counts what the vault keeps.
func (d *desk) values(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.dir, "values", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// stands checks that the log ends with the label, at position 3, and that its head's
// name can be read.
func (d *desk) stands(t *testing.T) {
	t.Helper()
	last := uint64(0)
	for rec, err := range d.log.Read(t.Context(), 2) {
		if err != nil {
			t.Fatal(err)
		}
		var e labellingv1.Event
		if err := proto.Unmarshal(rec.Body, &e); err != nil {
			t.Fatal(err)
		}
		if name, ok, err := d.Vault.Verify(e.GetLabelGranted().GetHead()); name != head || !ok || err != nil {
			t.Errorf("position %d: the head is %q, %v, %v", rec.Position, name, ok, err)
		}
		last = rec.Position
	}
	if last != 3 {
		t.Errorf("the log ends at %d, want 3", last)
	}
}

// reason is the reason of a refusal, empty where there is none.
func reason(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.Reason
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestRequestIDAcrossMethods: a request id belongs to one method, also where another's
// request has the same bytes.
func TestRequestIDAcrossMethods(t *testing.T) {
	d := open(t, nil)
	network := &topologyv1.RegisterNetworkRequest{RequestId: "same", Title: "MARFAN", Acronym: "MF"}
	filiere := &topologyv1.RegisterFiliereRequest{RequestId: "same", Acronym: "MARFAN", Name: "MF"}
	encode := func(m proto.Message) []byte {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if !bytes.Equal(encode(network), encode(filiere)) {
		t.Fatal("the two requests differ: the test shows nothing")
	}
	first, err := d.Submit(d.ctx, network, nil, record)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.Submit(d.ctx, network, nil, record); err != nil || again.First != first.First {
		t.Errorf("repeated: %v, %v; want position %d", again.First, err, first.First)
	}
	if c, err := d.Submit(d.ctx, filiere, nil, record); reason(err) != "REQUEST_ID_REUSED" {
		t.Errorf("another method: %v, %v", c, err)
	}
}

// TestNamesAreErasedOnlyIfRefused: the vault keeps the name a command gives where its
// events stand or may stand, and no other.
func TestNamesAreErasedOnlyIfRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		fail   func(n int, store func() error) error
		decide decision
		want   string
		values int // more than before
	}{
		"recorded": {decide: record, values: 1},
		"refused":  {decide: refuse, want: "LABEL_OVERLAPS"},
		"more than the log takes": {
			fail:   func(int, func() error) error { return eventlog.ErrTooLarge },
			decide: record, want: "TOO_LARGE",
		},
		"recorded, and the answer lost": {
			fail: func(n int, store func() error) error {
				if n > 1 {
					return eventlog.ErrUnavailable
				}
				return errors.Join(eventlog.ErrUnknown, store())
			},
			decide: record, want: "OUTCOME_OPEN", values: 1,
		},
		"recorded, and then in the way of itself": {
			fail: func(n int, store func() error) error {
				if n > 1 {
					return store()
				}
				return errors.Join(eventlog.ErrUnknown, store())
			},
			decide: record, want: "OUTCOME_OPEN", values: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := open(t, tc.fail)
				before := d.values(t)
				if err := d.grant(d.ctx, tc.decide); reason(err) != tc.want {
					t.Errorf("got %v, want %q", err, tc.want)
				}
				if got := d.values(t) - before; got != tc.values {
					t.Errorf("the vault keeps %d values more, want %d", got, tc.values)
				}
				close(d.log.follow)
				if tc.values == 0 {
					return
				}
				if err := d.Runner.View(t.Context(), 3, func(uint64) error { return nil }); err != nil {
					t.Fatal(err)
				}
				if err := d.grant(d.ctx, tc.decide); err != nil {
					t.Errorf("repeated: %v", err)
				}
				if got := d.values(t) - before; got != 1 {
					t.Errorf("repeated, the vault keeps %d values more, want 1", got)
				}
				d.stands(t)
			})
		})
	}
}

// TestRepeatedWhilePending: a caller that lost its patience repeats the request while the
// first is still in an append, which fails. What is recorded then has its head's name.
func TestRepeatedWhilePending(t *testing.T) {
	const attempts = 60 // until the first is given up
	synctest.Test(t, func(t *testing.T) {
		lose := make(chan struct{})
		d := open(t, func(n int, store func() error) error {
			switch {
			case n == 1:
				<-lose
				return fmt.Errorf("%w: the connection was lost", eventlog.ErrUnknown)
			case n <= attempts:
				return eventlog.ErrUnavailable
			}
			return store()
		})
		close(d.log.follow)
		impatient, cancel := context.WithTimeout(d.ctx, time.Second)
		defer cancel()
		if err := d.grant(impatient, record); reason(err) != "OUTCOME_OPEN" {
			t.Fatalf("got %v", err)
		}
		again := make(chan error, 1)
		go func() { again <- d.grant(d.ctx, record) }()
		synctest.Wait()
		close(lose)
		if err := <-again; err != nil {
			t.Fatal(err)
		}
		d.stands(t)
	})
}

// TestRepeatedWhileStored: a request is repeated while the first is being stored. What
// the second put into the vault stands in no event, and does not stay.
func TestRepeatedWhileStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		d := open(t, func(_ int, store func() error) error {
			<-hold
			return store()
		})
		close(d.log.follow)
		both := make(chan error, 2)
		for range 2 {
			go func() { both <- d.grant(d.ctx, record) }()
			synctest.Wait()
		}
		close(hold)
		for range 2 {
			if err := <-both; err != nil {
				t.Error(err)
			}
		}
		d.stands(t)
		if n := d.values(t); n != 2 {
			t.Errorf("the vault keeps %d values, want those of the account and the head", n)
		}
	})
}

// TestRecordedElsewhere: a request repeated here was recorded by another process, whose
// append is in the way of this one's. What was put for it here does not stay.
func TestRecordedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *desk
		d = open(t, func(n int, store func() error) error {
			if n > 1 {
				return store()
			}
			e := granted(nil)
			account, err := d.Vault.Account("development", "officer")
			if err != nil {
				return err
			}
			request := &labellingv1.GrantLabelRequest{RequestId: "g", Grant: &labellingv1.Grant{HeadName: head}}
			body, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
			if err != nil {
				return err
			}
			e.Meta = &eventv1.Meta{
				CommitSize: 1, RequestId: "g", Actor: &eventv1.Actor{Account: account},
				RequestDigest: d.Vault.Digest(append([]byte(string(proto.MessageName(request))+"\x00"), body...)),
			}
			if body, err = proto.Marshal(e); err != nil {
				return err
			}
			if err := d.log.Memory.Append(context.Background(), 2, []eventlog.Record{{Subject: subject, Body: body}}); err != nil {
				return err
			}
			return eventlog.ErrMoved
		})
		close(d.log.follow)
		before := d.values(t)
		if err := d.grant(d.ctx, record); err != nil {
			t.Fatal(err)
		}
		if got := d.values(t) - before; got != 0 {
			t.Errorf("the vault keeps %d values to which nothing refers", got)
		}
	})
}

// What one account prepared another approves: the events name both, the request is the
// approver's, and nobody approves what they prepared.
func TestSubmitApproved(t *testing.T) {
	d := open(t, nil)
	close(d.log.follow)
	as := func(who string) context.Context {
		return metadata.NewIncomingContext(t.Context(), metadata.Pairs(submit.IdentityKey, who))
	}
	account, err := d.Vault.Account("development", "officer")
	if err != nil {
		t.Fatal(err)
	}
	preparer := &eventv1.Actor{Account: account, Role: "officer", Assurance: eventv1.Assurance_ASSURANCE_DEVELOPMENT}
	request := &labellingv1.ApproveActRequest{RequestId: "approval"}
	approve := func() ([]projection.Event, error) { return record(nil) }
	if _, err := d.SubmitApproved(as("officer"), preparer, request, approve); reason(err) != "SAME_PERSON" {
		t.Errorf("approved by who prepared it: %v", err)
	}
	commit, err := d.SubmitApproved(as("other"), preparer, request, approve)
	if err != nil {
		t.Fatal(err)
	}
	var e labellingv1.Event
	if err := proto.Unmarshal(commit.Records[0].Body, &e); err != nil {
		t.Fatal(err)
	}
	other, err := d.Vault.Account("development", "other")
	if err != nil {
		t.Fatal(err)
	}
	if m := e.GetMeta(); m.GetActor().GetAccount() != account || m.GetApprover().GetAccount() != other {
		t.Errorf("actor %v, approver %v; want %s and %s", m.GetActor(), m.GetApprover(), account, other)
	}
	if again, err := d.SubmitApproved(as("other"), preparer, request, approve); err != nil || again.First != commit.First {
		t.Errorf("repeated: position %d, %v; want %d", again.First, err, commit.First)
	}
	// The request id of the approver is not taken in the preparer's account.
	if mine, err := d.Submit(as("officer"), request, nil, record); err != nil || mine.First == commit.First {
		t.Errorf("the preparer's own request: position %d, %v", mine.First, err)
	}
}

// TestValues: each text is in the vault under what stands for it, whatever its type, and
// nothing is for an empty one.
func TestValues(t *testing.T) {
	d := open(t, nil)
	kept, err := d.Values(submit.Value{Kind: "email", Text: "a@example.org"}, submit.Value{Kind: "phone"}, submit.Value{Kind: "phone", Text: "01"}, submit.Value{Kind: "email", Text: "b@example.org"})(t.Context())
	if err != nil || len(kept) != 4 {
		t.Fatal(kept, err)
	}
	for i, want := range []string{"a@example.org", "", "01", "b@example.org"} {
		if want == "" {
			if kept[i] != nil {
				t.Errorf("%v stands for nothing", kept[i])
			}
			continue
		}
		if text, ok, err := d.Vault.Verify(kept[i]); text != want || !ok || err != nil {
			t.Errorf("value %d is %q, %v, %v; want %q", i, text, ok, err, want)
		}
	}
	if kept, err := d.Values()(t.Context()); len(kept) != 0 || err != nil {
		t.Errorf("of nothing, %v, %v", kept, err)
	}
}
