package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// NoticeCmd is the verbs about notices.
type NoticeCmd struct {
	Client
	List NoticeListCmd `cmd:"" help:"Lister les avis : ce qui oblige à revenir sur ce qui a été diffusé, depuis toujours."`
}

// NoticeListCmd lists notices.
type NoticeListCmd struct {
	After uint64       `placeholder:"N" help:"Après cette position ; depuis le début sinon."`
	Kind  []noticeFlag `placeholder:"MOT" help:"enregistré à tort, retrait, annulation, correction, rectification, identités réunies, identités séparées, effacement ou époque."`
}

// Run prints them.
func (c *NoticeListCmd) Run(a *app) error {
	var kinds []feedv1.NoticeKind
	for _, k := range c.Kind {
		kinds = append(kinds, feedv1.NoticeKind(k))
	}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		var all []*feedv1.Notice
		after := c.After
		for {
			r, err := feedv1.NewNoticeServiceClient(conn).ListNotices(ctx, &feedv1.ListNoticesRequest{
				From: &feedv1.ListNoticesRequest_After{After: after}, Kinds: kinds, PageSize: pageSize,
			})
			if err != nil {
				return err
			}
			all, after = append(all, r.GetNotices()...), r.GetNextAfter()
			if !r.GetMore() {
				break
			}
		}
		if a.json {
			return printEach(a, page[*feedv1.Notice]{items: all})
		}
		rows, cut := table[*feedv1.Notice]{columns: noticeColumns}.rows(all)
		return a.printTable(rows, cut, fmt.Sprintf("Jusqu'à la position %d, %s.", after, counted(len(all), "ligne(s)")))
	})
}

var noticeColumns = []column[*feedv1.Notice]{
	{"Position", whole, func(n *feedv1.Notice) string { return fmt.Sprint(n.GetPosition()) }},
	{"Connu le", whole, func(n *feedv1.Notice) string { return frTime(n.GetKnownTime()) }},
	{"Avis", whole, func(n *feedv1.Notice) string { return inFrench(noticeWords, n.GetKind()) }},
	{"Sur la position", whole, func(n *feedv1.Notice) string {
		if n.GetAboutPosition() == 0 {
			return ""
		}
		return fmt.Sprint(n.GetAboutPosition())
	}},
	{"Concerne", texts, func(n *feedv1.Notice) string {
		var all []string
		for _, c := range n.GetConcerned() {
			all = append(all, joined(" ", entityWords[c.GetKind()], c.GetId()))
		}
		return strings.Join(all, ", ")
	}},
	{"À faire", texts, func(n *feedv1.Notice) string { return inFrench(noticeActions, n.GetAction()) }},
}
