package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc/metadata"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// siteRoles are the roles that a national list restates.
var siteRoles = []labellingv1.Role{
	labellingv1.Role_ROLE_COORDINATOR, labellingv1.Role_ROLE_CONSTITUTIVE,
	labellingv1.Role_ROLE_COMPETENCE, labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE,
}

// Steps of an act.
const (
	planning  = "PlanAct"
	preparing = "PrepareAct"
	approving = "ApproveAct, durable"
	approved  = "ApproveAct, readable"
	showing   = "ListActEffects"
	typing    = "maillage act plan, XLSX, as a process"
)

var goalsOfSteps = map[string]time.Duration{
	planning: time.Second, approving: 250 * time.Millisecond, approved: 250 * time.Millisecond, typing: time.Second,
}

// term is a cycle of five years that an act restates the register for.
type term struct {
	id, code, start, end string
}

// term registers the cycle after the last one, and so on.
func (c *country) term(ctx context.Context, n int) (term, error) {
	t := term{code: fmt.Sprintf("bench %d", n+1), start: fmt.Sprintf("%d-01-01", 2029+5*n), end: fmt.Sprintf("%d-01-01", 2034+5*n)}
	a, err := labellingv1.NewLabellingServiceClient(c.conns[0]).RegisterCycle(as(ctx), &labellingv1.RegisterCycleRequest{
		RequestId: rand.Text(), Basis: basis, Code: t.code, Period: &eventv1.Period{Start: t.start, End: t.end},
	})
	t.id = a.GetCycleId()
	return t, err
}

// annex is what an act that restates the register would print: what is in force on the
// day before, of every 100 lines three left out, five in another role and three of new
// teams.
func (c *country) annex(ctx context.Context, t term) (*labellingv1.Annex, error) {
	day, err := time.Parse(time.DateOnly, t.start)
	if err != nil {
		return nil, err
	}
	list, err := c.list(ctx, &registryv1.ListLabelsRequest{
		AsOf:  &registryv1.AsOf{ValidAt: day.AddDate(0, 0, -1).Format(time.DateOnly)},
		Roles: siteRoles, Statuses: []labellingv1.Status{labellingv1.Status_STATUS_IN_FORCE},
	})
	if err != nil {
		return nil, err
	}
	a := &labellingv1.Annex{
		Basis: basis, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "Arrêté de mesure, " + t.code, SignedDate: t.start, EffectiveDate: t.start,
		CycleId: t.id, LabelPeriod: &eventv1.Period{Start: t.start, End: t.end},
	}
	for _, role := range siteRoles {
		a.Scope = append(a.Scope, &labellingv1.ScopeCell{Role: role, Coverage: labellingv1.Coverage_COVERAGE_COMPLETE})
	}
	competence := 0 // lines of that role, some seven of ten
	for i, e := range list {
		l := lineOf(e)
		if l.GetRole() == labellingv1.Role_ROLE_COMPETENCE {
			competence++
			if competence%24 == 7 {
				continue
			}
			if competence%14 == 3 {
				l.Role = labellingv1.Role_ROLE_CONSTITUTIVE
			}
		}
		a.Lines = append(a.Lines, l)
		if i%33 == 9 {
			fresh := lineOf(e)
			fresh.Role, fresh.Heads = labellingv1.Role_ROLE_COMPETENCE, nil
			fresh.Establishment, fresh.City = fmt.Sprintf("Hôpital de mesure %s-%d", t.code, i), fmt.Sprintf("Mesure-%d", i)
			a.Lines = append(a.Lines, fresh)
		}
	}
	return a, nil
}

// lineOf prints a label as a list would.
func lineOf(e *registryv1.LabelEntry) *labellingv1.AnnexLine {
	l := &labellingv1.AnnexLine{
		Filiere: e.GetFiliereAcronym(), NetworkTitle: e.GetNetworkTitle(), NetworkAcronym: e.GetNetworkAcronym(), Role: e.GetLabel().GetRole(),
		City: e.GetCity(), DepartmentCode: e.GetDepartmentCode(),
	}
	if names := e.GetEstablishmentNames(); len(names) > 0 {
		l.Establishment = names[0]
	}
	if name := e.GetHeadName(); name != "" {
		l.Heads = []string{name}
	}
	return l
}

// resolve answers what a plan asks as a hurried officer would: the first candidate is
// the same, and what has none is new. It returns the plan that leaves nothing open.
func (c *country) resolve(ctx context.Context, a *labellingv1.Annex) (*labellingv1.Plan, error) {
	for range 6 {
		answer, err := labellingv1.NewLabellingServiceClient(c.conns[0]).PlanAct(as(ctx), &labellingv1.PlanActRequest{Annex: a}, anySize)
		if err != nil {
			return nil, err
		}
		p := answer.GetPlan()
		if r := p.GetRefusals(); len(r) > 0 {
			return nil, fmt.Errorf("%d refusals, first: %s %s", len(r), r[0].GetReason(), r[0].GetMessage())
		}
		if len(p.GetQuestions()) == 0 {
			return p, nil
		}
		taken := map[string]bool{}
		for _, r := range a.GetResolutions() {
			taken[r.GetEntityId()] = true
		}
		for _, q := range p.GetQuestions() {
			r := &labellingv1.Resolution{Line: q.GetLine(), Subject: q.GetSubject(), Identity: labellingv1.Identity_IDENTITY_NEW}
			for _, one := range q.GetCandidates() {
				if !taken[one.GetEntityId()] || q.GetSubject() == labellingv1.Subject_SUBJECT_NETWORK {
					r.Identity, r.EntityId = labellingv1.Identity_IDENTITY_SAME, one.GetEntityId()
					taken[r.EntityId] = true
					break
				}
			}
			a.Resolutions = append(a.Resolutions, r)
		}
	}
	return nil, errors.New("identities are asked for without end")
}

// campaign measures an act from its plan to what it did, as often as asked, each on the
// register that the one before left.
func (b *bench) campaign(ctx context.Context, c *country) error {
	got := map[string][]float64{}
	var said string
	var last string
	for n := range b.acts + 1 {
		t, err := c.term(ctx, n)
		if err != nil {
			return err
		}
		a, err := c.annex(ctx, t)
		if err != nil {
			return err
		}
		p, err := c.resolve(ctx, a)
		if err != nil {
			return fmt.Errorf("plan of %d lines: %w", len(a.GetLines()), err)
		}
		if n == 0 { // the first one does not count
			said = fmt.Sprintf("an act of %d lines, %d effects, %d on topology, %d answered", len(a.GetLines()), len(p.GetEffects()), len(p.GetTopology()), len(a.GetResolutions()))
		}
		took := map[string]time.Duration{}
		if last, err = c.enact(ctx, a, took); err != nil {
			return err
		}
		if took[typing], err = c.byCommand(ctx, b, last, n); err != nil {
			return err
		}
		if n > 0 {
			for step, d := range took {
				got[step] = append(got[step], d.Seconds())
			}
		}
	}
	fmt.Fprintf(b.out, "\n%s\n", said)
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	for _, step := range []string{planning, preparing, approving, approved, showing, typing} {
		s := spreadOf(got[step])
		fmt.Fprintf(w, "  %s\t%s\t", step, s.times())
		if goal, is := goalsOfSteps[step]; is {
			fmt.Fprintf(w, "goal < %s: %s", short(goal.Seconds()), verdict(s.median < goal.Seconds()))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// enact takes an act from its plan to what it did, and notes how long each step took.
func (c *country) enact(ctx context.Context, a *labellingv1.Annex, took map[string]time.Duration) (act string, err error) {
	labelling := labellingv1.NewLabellingServiceClient(c.conns[0])
	start := time.Now()
	if _, err := labelling.PlanAct(as(ctx), &labellingv1.PlanActRequest{Annex: a}, anySize); err != nil {
		return "", err
	}
	took[planning] = time.Since(start)

	start = time.Now()
	draft, err := labelling.PrepareAct(as(ctx), &labellingv1.PrepareActRequest{RequestId: rand.Text(), Annex: a}, anySize)
	if err != nil {
		return "", fmt.Errorf("prepare: %w", err)
	}
	took[preparing] = time.Since(start)

	approver := metadata.AppendToOutgoingContext(ctx, "maillage-as", account+"-approver")
	start = time.Now()
	done, err := labelling.ApproveAct(approver, &labellingv1.ApproveActRequest{
		RequestId: rand.Text(), DraftId: draft.GetDraftId(), EffectsSha256: draft.GetPlan().GetEffectsSha256(), AcceptedLapses: losses(draft.GetPlan()),
	})
	if err != nil {
		return "", fmt.Errorf("approve: %w", err)
	}
	took[approving] = time.Since(start)
	seen, err := c.reads().ListLabels(as(ctx), &registryv1.ListLabelsRequest{
		AsOf:  &registryv1.AsOf{ValidAt: a.GetEffectiveDate(), MinPosition: done.GetPosition()},
		Cycle: a.GetCycleId(), PageSize: 1,
	})
	took[approved] = time.Since(start)
	if err == nil && int(seen.GetTotalSize()) != len(a.GetLines()) {
		err = fmt.Errorf("of an act of %d lines a read at its position %d saw %d labels", len(a.GetLines()), done.GetPosition(), seen.GetTotalSize())
	}
	if err != nil {
		return "", err
	}

	start = time.Now()
	_, err = c.reads().ListActEffects(as(ctx), &registryv1.ListActEffectsRequest{ActId: done.GetActId(), AsOf: &registryv1.AsOf{ValidAt: a.GetEffectiveDate()}}, anySize)
	took[showing] = time.Since(start)
	return done.GetActId(), err
}

// losses counts the labels that an act leaves out, which its approver accepts.
func losses(p *labellingv1.Plan) (n uint32) {
	lost := []labellingv1.Disposition{labellingv1.Disposition_DISPOSITION_LAPSED, labellingv1.Disposition_DISPOSITION_EXPIRED}
	for _, e := range p.GetEffects() {
		if slices.Contains(lost, e.GetDisposition()) {
			n++
		}
	}
	return n
}

// byCommand writes the list of an act as a workbook and plans it again as an officer
// does, for the five years after.
func (c *country) byCommand(ctx context.Context, b *bench, act string, n int) (time.Duration, error) {
	file := filepath.Join(b.dir, fmt.Sprintf("list-%d.xlsx", n))
	defer func() { _ = os.Remove(file); _ = os.Remove(file + ".identites.csv") }()
	server := c.conns[0].Target()[len("passthrough:///"):]
	start, end := fmt.Sprintf("%d-01-01", 2034+5*n), fmt.Sprintf("%d-01-01", 2039+5*n)
	write := exec.CommandContext(ctx, b.binary, "act", "annex", act, "--server", server, "--as", account, "--valid-at", fmt.Sprintf("%d-01-01", 2029+5*n), "--xlsx", file)
	if out, err := write.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("act annex: %w\n%s", err, out)
	}
	plan := exec.CommandContext(ctx, b.binary, "act", "plan", file, "--server", server, "--as", account, "--source", "measurement",
		"--title", "Arrêté de mesure suivant", "--signed", start, "--effective", start, "--start", start, "--end", end, "--scope", "||complète")
	begun := time.Now()
	out, err := plan.CombinedOutput()
	took := time.Since(begun)
	if err != nil {
		return 0, fmt.Errorf("act plan: %w\n%.2000s", err, out)
	}
	return took, nil
}
