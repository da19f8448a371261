package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/labelling"
	"maillage/services/submit"
	"maillage/services/vault"
)

// ErasePerson erases what the vault holds of a person: the fact first, then the values, so
// that a process which is killed in between erases them when it starts again.
func (s *Server) ErasePerson(ctx context.Context, req *labellingv1.ErasePersonRequest) (*labellingv1.ErasePersonResponse, error) {
	found, err := s.search(ctx, req)
	if err != nil {
		return nil, err
	}
	decide := func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		if i := slices.IndexFunc(found.values, func(v *labellingv1.ErasedValue) bool { return v.GetWithOthers() }); i >= 0 && !req.GetWithOthers() {
			return nil, fault.New(fault.Refused, "NAMED_WITH_OTHERS", "with_others", "The value %s holds more than the name: say that it is erased whole, or enter it anew before.", found.values[i].GetValueId())
		}
		return labelling.ErasePerson(s.state, s.topo, found.held, req)
	}
	if req.GetDryRun() {
		return s.wouldErase(ctx, req, found)
	}
	facts, position, err := s.do(ctx, req, nil, decide)
	if err != nil {
		return nil, err
	}
	out := &labellingv1.ErasePersonResponse{Position: position, Erased: facts[0].GetPersonErased(), UnreadValueIds: found.unread}
	for _, id := range slices.Concat(out.GetErased().GetValueIds(), out.GetErased().GetPersonIds()) {
		if err := s.desk.Vault.Erase(id); err != nil {
			return nil, fmt.Errorf("erase the value %s: %w", id, err) // the next start does
		}
		one := &labellingv1.ErasedValue{ValueId: id}
		if i := slices.IndexFunc(found.values, func(v *labellingv1.ErasedValue) bool { return v.GetValueId() == id }); i >= 0 {
			one.Kind, one.WithOthers = found.values[i].GetKind(), found.values[i].GetWithOthers()
		}
		out.Values = append(out.Values, one)
	}
	return out, nil
}

// wouldErase is the answer of a dry run. It gives texts out.
func (s *Server) wouldErase(ctx context.Context, req *labellingv1.ErasePersonRequest, found found) (*labellingv1.ErasePersonResponse, error) {
	out := &labellingv1.ErasePersonResponse{Values: found.values, UnreadValueIds: found.unread}
	err := s.desk.Runner.View(ctx, 0, func(uint64) error {
		facts, err := labelling.ErasePerson(s.state, s.topo, found.held, req)
		if err == nil {
			out.Erased = facts[0].GetPersonErased()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var given []string
	for _, v := range found.values {
		if v.GetText() != "" {
			given = append(given, v.GetValueId())
		}
	}
	return out, submit.Given(ctx, s.desk.Vault, given)
}

// found is what the vault holds of a person.
type found struct {
	values []*labellingv1.ErasedValue
	held   labelling.Held
	unread []string // values of which nobody can tell whether they are the person's
}

// accountKind is the type in the vault of who is behind an opaque id: an account, or a
// person by RPPS number.
const accountKind = "account"

var rppsAccount = strconv.QuoteToASCII(personIssuer) + " "

// search looks through the whole vault. A name beside an RPPS number in any office leads to
// all other names beside that number, and on. A value that cannot be read is found by its id
// alone: to unlink it takes no reading.
func (s *Server) search(ctx context.Context, req *labellingv1.ErasePersonRequest) (f found, err error) {
	var all []vault.Value
	var unread []string
	for v, err := range s.desk.Vault.Values() {
		switch {
		case err != nil && v.ID == "":
			return f, fmt.Errorf("look through the vault: %w", err)
		case err != nil:
			slog.WarnContext(ctx, "a value of the vault cannot be read", "value", v.ID, "err", err)
			unread = append(unread, v.ID)
		case v.Kind != accountKind || strings.HasPrefix(v.Text, rppsAccount):
			all = append(all, v)
		}
	}
	sought := newSought(req)
	for more := true; more; {
		more = false
		for _, v := range all {
			if sought.takes(v) {
				more = true
			}
		}
		err := s.desk.Runner.View(ctx, 0, func(uint64) error {
			persons, names := s.state.PersonsNamed(sought.ids(), sought.ids())
			for _, id := range slices.Concat(persons, names) {
				if !sought.by[id] {
					sought.by[id], more = true, true
				}
			}
			sought.persons = append(sought.persons, persons...)
			return nil
		})
		if err != nil {
			return f, err
		}
	}
	for _, v := range all {
		one := &labellingv1.ErasedValue{ValueId: v.ID, Kind: v.Kind, Text: v.Text}
		switch {
		case v.Kind == draftKind && sought.inDraft(v.Text):
			one.Text = ""
			f.held.Values = append(f.held.Values, v.ID)
		case v.Kind == accountKind && sought.by[v.ID]:
			one.Text = strings.TrimPrefix(v.Text, rppsAccount)
			f.held.Persons = append(f.held.Persons, v.ID)
		case v.Kind != draftKind && v.Kind != accountKind && sought.by[v.ID]:
			f.held.Values = append(f.held.Values, v.ID)
		case sought.within(v):
			one.WithOthers = true
			f.held.Values = append(f.held.Values, v.ID)
		default:
			continue
		}
		f.values = append(f.values, one)
	}
	for _, id := range unread {
		switch {
		case !sought.by[id]:
			f.unread = append(f.unread, id)
			continue
		case slices.Contains(sought.persons, id):
			f.held.Persons = append(f.held.Persons, id)
		default:
			f.held.Values = append(f.held.Values, id)
		}
		f.values = append(f.values, &labellingv1.ErasedValue{ValueId: id})
	}
	return f, nil
}

// sought is a person who is looked for.
type sought struct {
	by      map[string]bool    // ids of values and persons
	persons []string           // those of persons
	texts   map[[2]string]bool // types and folded texts
	exact   map[string]bool    // texts as they are kept
}

// headKind is the type of a name of a head in the vault.
const headKind = "head"

func newSought(req *labellingv1.ErasePersonRequest) *sought {
	s := &sought{by: map[string]bool{}, texts: map[[2]string]bool{}, exact: map[string]bool{}}
	switch who := req.GetWho().(type) {
	case *labellingv1.ErasePersonRequest_ValueId:
		s.by[who.ValueId] = true
	case *labellingv1.ErasePersonRequest_PersonId:
		s.by[who.PersonId], s.persons = true, []string{who.PersonId}
	case *labellingv1.ErasePersonRequest_Name:
		s.texts[[2]string{headKind, identifier.Words(who.Name)}], s.exact[norm.NFC.String(who.Name)] = true, true
	}
	return s
}

func (s *sought) ids() (all []string) {
	for id := range s.by {
		all = append(all, id)
	}
	return all
}

// takes adds a value that is sought, by its id or its text, and tells whether that is new.
func (s *sought) takes(v vault.Value) (fresh bool) {
	if v.Kind == draftKind || v.Kind == accountKind {
		return false
	}
	key := [2]string{v.Kind, identifier.Words(v.Text)}
	if !s.by[v.ID] && !s.texts[key] || s.by[v.ID] && s.exact[v.Text] {
		return false
	}
	s.by[v.ID], s.exact[v.Text] = true, true
	if key[1] != "" {
		s.texts[key] = true
	}
	return true
}

// within tells whether a name of heads has one that is sought among others.
func (s *sought) within(v vault.Value) bool {
	if v.Kind != headKind {
		return false
	}
	text := " " + identifier.Words(v.Text) + " "
	for key := range s.texts {
		if key[0] == headKind && key[1] != "" && strings.Contains(text, " "+key[1]+" ") {
			return true
		}
	}
	return false
}

// inDraft tells whether the document of a draft names the person, by a text or by a value.
func (s *sought) inDraft(document string) bool {
	encoded, err := base64.StdEncoding.DecodeString(document)
	if err != nil {
		return false
	}
	encoded = norm.NFC.Bytes(encoded)
	for text := range s.exact {
		if bytes.Contains(encoded, []byte(text)) {
			return true
		}
	}
	for id := range s.by {
		if bytes.Contains(encoded, []byte(id)) {
			return true
		}
	}
	return false
}
