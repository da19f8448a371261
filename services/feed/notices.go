package feed

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/fact"
	"maillage/services/notice"
	"maillage/services/registry"
)

// Notices finds a page of notices: those of whole commits. It reads those records alone.
func (f *Feed) Notices(ctx context.Context, req *feedv1.ListNoticesRequest) (*feedv1.ListNoticesResponse, error) {
	head, err := f.await(ctx, req.GetMinPosition(), "min_position")
	if err != nil {
		return nil, err
	}
	at, err := f.begin(ctx, req.GetCursor(), req.GetAfter())
	if err != nil {
		return nil, err
	}
	head.Size = max(head.Size, at.Position)
	var marks []registry.Notice
	err = f.src.View(ctx, func(s *registry.State) {
		for _, n := range s.Notices(at.Position, head.Size) {
			if len(req.GetKinds()) == 0 || slices.Contains(req.GetKinds(), n.Kind) {
				marks = append(marks, n)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	size := int(req.GetPageSize())
	if size == 0 {
		size = 100
	}
	found, err := f.noticed(ctx, marks, size)
	if err != nil {
		return nil, err
	}
	resp := &feedv1.ListNoticesResponse{HeadPosition: head.Size, NextAfter: head.Size, More: len(found) < len(marks)}
	if resp.More {
		resp.NextAfter = found[len(found)-1].end
	}
	if resp.NextCursor, err = f.cursorAt(ctx, eventlog.Cursor{Position: resp.GetNextAfter()}); err != nil {
		return nil, err
	}
	cursor, end := "", uint64(0)
	for i := range found {
		if found[i].end != end {
			end = found[i].end
			if cursor, err = f.cursorAt(ctx, eventlog.Cursor{Position: end}); err != nil {
				return nil, err
			}
		}
		found[i].Cursor, found[i].KnownTime = cursor, timestamppb.New(f.src.KnownTime(found[i].GetPosition()))
	}
	err = f.src.View(ctx, func(s *registry.State) {
		for _, n := range found {
			n.look(s)
			resp.Notices = append(resp.Notices, n.Notice)
		}
	})
	return resp, err
}

// noticed is a notice with what it was made from.
type noticed struct {
	*feedv1.Notice
	end  uint64 // of its commit
	fact protoreflect.Message
}

// noticed reads notices back, those of whole commits: as many as a page has, or those of
// one commit.
func (f *Feed) noticed(ctx context.Context, marks []registry.Notice, size int) (found []noticed, err error) {
	end, first := uint64(0), 0 // of the commit under way: its last position, the place of its first notice
	for _, mark := range marks {
		if mark.Position > end {
			if first = len(found); first >= size {
				return found, nil
			}
		}
		r, err := f.src.Get(ctx, mark.Position)
		if err != nil {
			return nil, err
		}
		context, _, _ := strings.Cut(strings.TrimPrefix(r.Subject, "registry."), ".")
		event, name, said, err := notice.Decode(context, r.Body)
		if err != nil {
			return nil, fmt.Errorf("position %d: %w: %w", r.Position, fact.ErrUnreadable, err)
		}
		meta := event.(fact.Event).GetMeta()
		end = r.Position + uint64(meta.GetCommitSize()) - uint64(meta.GetCommitIndex()) - 1
		n := noticed{&feedv1.Notice{Position: r.Position, Kind: mark.Kind, Fact: context + "." + string(name), AboutPosition: meta.GetCorrects()}, end, said}
		n.Action, n.Advice = notice.Advice(mark.Kind)
		if found = append(found, n); len(found) > size && first > 0 {
			return found[:first], nil
		}
	}
	return found, nil
}

// look finds whom a notice concerns, and what it is about.
func (n *noticed) look(s *registry.State) {
	n.names(s, n.fact)
	topo, lab := &s.Topology, &s.Labelling
	switch f := n.fact.Interface().(type) {
	case *topologyv1.ContinuityRevoked:
		first, _ := topo.Continuities.First(f.GetContinuityId())
		n.about(first.KnownFrom)
		n.concerns(kindOf(s, first.Value.GetKeptId()), first.Value.GetKeptId())
		n.concerns(kindOf(s, first.Value.GetOtherId()), first.Value.GetOtherId())
	case *labellingv1.PersonErased: // whoever keeps a name keeps it with a site
		for _, id := range f.GetLabelIds() {
			label, _ := lab.Label(id, n.GetPosition())
			n.holder(label.GetHolder())
		}
		for _, id := range f.GetOfficeIds() {
			office, _ := lab.Offices.Last(id, n.GetPosition())
			n.concerns(kindOf(s, office.GetHolderId()), office.GetHolderId())
		}
	case interface{ GetLabelId() string }:
		first, _ := lab.Labels.First(f.GetLabelId())
		n.about(first.KnownFrom)
		label, _ := lab.Label(f.GetLabelId(), n.GetPosition())
		n.holder(label.GetHolder())
	}
}

func (n *noticed) about(position uint64) {
	if n.GetAboutPosition() == 0 {
		n.AboutPosition = position
	}
}

func (n *noticed) holder(h *labellingv1.Holder) {
	n.concerns("site", h.GetSite().GetSiteId())
	n.concerns("centre", h.GetSite().GetCentreId())
	n.concerns("network", h.GetSite().GetNetworkId())
	n.concerns("network", h.GetNetworkId())
	n.concerns("filiere", h.GetFiliereId())
	n.concerns("platform", h.GetPlatformId())
}

func (n *noticed) concerns(kind, id string) {
	if id != "" && !slices.ContainsFunc(n.GetConcerned(), func(c *feedv1.Concerned) bool { return c.GetId() == id }) {
		n.Concerned = append(n.Concerned, &feedv1.Concerned{Kind: kind, Id: id})
	}
}

// names adds what a fact names, by the names of its fields.
func (n *noticed) names(s *registry.State, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name, plural := strings.CutSuffix(string(f.Name()), "_ids")
		name, single := strings.CutSuffix(name, "_id")
		one := func(v protoreflect.Value) {
			switch {
			case f.Message() != nil:
				n.names(s, v.Message())
			case single || plural:
				kind := name
				if slices.Contains([]string{"entity", "kept", "other"}, name) {
					kind = kindOf(s, v.String())
				}
				n.concerns(kind, v.String())
			}
		}
		switch {
		case !m.Has(f) || f.IsMap():
		case f.IsList():
			for j := range m.Get(f).List().Len() {
				one(m.Get(f).List().Get(j))
			}
		default:
			one(m.Get(f))
		}
	}
}

// kindOf is what an id is of.
func kindOf(s *registry.State, id string) string {
	topo := &s.Topology
	for kind, there := range map[string]bool{
		"establishment": isThere(topo.Establishments.First(id)), "centre": isThere(topo.Centres.First(id)), "network": isThere(topo.Networks.First(id)),
		"filiere": isThere(topo.Filieres.First(id)), "platform": isThere(topo.Platforms.First(id)),
	} {
		if there {
			return kind
		}
	}
	if _, there := s.Labelling.Site(id); there {
		return "site"
	}
	return "entity"
}

func isThere[V any](_ V, there bool) bool { return there }
