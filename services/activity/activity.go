// Package activity says what labelled teams and platforms do.
//
//   - An audience (PEMR, PCOM, the labelled sites) has missions, as its texts word them.
//     They are versioned data: which an audience has depends on the day.
//   - A reporting period, such as a calendar year, asks indicators of audiences. An
//     indicator has a type, a definition and a unit, and may serve a mission. No national
//     grid is published, so what is asked is data of the period: the ministry changes it
//     without code.
//   - A report is what a platform or a site says of a period: one report, in revisions.
//     It is submitted while the period is open, then validated by another person or sent
//     back; one that was validated is amended, also after the period was closed, and has
//     to be validated again. Each revision is frozen: the labels and territory it speaks
//     of are those of the period as known just before its commit. What they are is for
//     whoever reads both contexts to say; here stands only the position.
//   - An undertaking is a project, a training (formation) or an action of a platform,
//     site, network or filière. It serves missions and axes of national plans.
//   - A measure is how many patients a site followed, or how many visits it had, in a
//     calendar year. It is set beside the threshold of a role where it is read, never
//     here: a site under its threshold is warned of and keeps its label. No measure is
//     not a measure of none.
//
// The package is pure. [State.Evolve] folds facts into a state; a decision, one for each
// command, reads the states of activity, labelling and topology and returns the facts to
// append. A new kind of fact is a message in event.proto, a case in Evolve, the decision
// that returns it, and a row in the tests. Missions and periods are decided in period.go,
// reports in report.go, undertakings in undertaking.go, measures in measure.go.
package activity

import (
	"errors"
	"fmt"
	"slices"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
)

// Schema is the version of the contract that this package writes, and the highest one
// that it reads.
const Schema = 1

// errUnfit says that an event does not fit the events before it: the log was not
// written by these decisions, or not read from its beginning.
var errUnfit = errors.New("event does not fit what came before")

// always is every day: that of what is a text or a record, not a period.
var always = bitemporal.Interval{From: bitemporal.Past, To: bitemporal.Future}

// State is what is known of activity. The zero value is the state before the first fact.
// The values in the tables are never changed: callers must not change them either. Not
// safe for concurrent use; reads may run together.
type State struct {
	// Missions hold from the day they were stated for, under the name of their audience:
	// see MissionsAt.
	Missions bitemporal.Table[*activityv1.MissionSet]
	// Periods, Reports and Undertakings hold on every day: they are records. A report is
	// its latest revision: see Revision for those before.
	Periods      bitemporal.Table[*activityv1.Period]
	Reports      bitemporal.Table[*activityv1.Report]
	Undertakings bitemporal.Table[*activityv1.Undertaking]
	// Measures hold in their year, under keys of their own: see MeasureAt.
	Measures bitemporal.Table[Measured]

	index index
	basis *eventv1.Basis // of the measure folded last: those of a file rest on one
}

// Evolve folds the event at a position into the state. Positions must not go back. It
// changes nothing and returns an error where the event was written by a newer binary,
// states a fact unknown here, or does not fit what came before; the caller must then
// halt.
func (s *State) Evolve(position uint64, e *activityv1.Event) error {
	if err := s.evolve(position, e); err != nil {
		return fmt.Errorf("activity: position %d: %w", position, err)
	}
	return nil
}

func (s *State) evolve(at uint64, e *activityv1.Event) error {
	if err := fact.Readable(e, Schema); err != nil {
		return err
	}
	meta, why := e.GetMeta(), e.GetMeta().GetBasis()
	switch f := e.GetFact().(type) {
	case *activityv1.Event_MissionsStated:
		return s.missionsStated(at, f.MissionsStated, why)
	case *activityv1.Event_PeriodOpened:
		return s.periodOpened(at, f.PeriodOpened, why)
	case *activityv1.Event_IndicatorsStated:
		return s.indicatorsStated(at, f.IndicatorsStated, why)
	case *activityv1.Event_PeriodClosed:
		return s.periodClosed(at, f.PeriodClosed, why)
	case *activityv1.Event_PeriodReopened:
		return s.periodReopened(at, f.PeriodReopened, why)
	case *activityv1.Event_ReportSubmitted:
		return s.reportSubmitted(at, f.ReportSubmitted, meta)
	case *activityv1.Event_ReportAmended:
		return s.reportAmended(at, f.ReportAmended, meta)
	case *activityv1.Event_ReportValidated:
		return s.reportJudged(at, f.ReportValidated, activityv1.ReportState_REPORT_STATE_VALIDATED, "", why)
	case *activityv1.Event_ReportReturned:
		return s.reportJudged(at, f.ReportReturned, activityv1.ReportState_REPORT_STATE_RETURNED, f.ReportReturned.GetReason(), why)
	case *activityv1.Event_UndertakingRecorded:
		return s.undertakingRecorded(at, f.UndertakingRecorded.GetUndertaking(), why)
	case *activityv1.Event_UndertakingRevised:
		return s.undertakingRevised(at, f.UndertakingRevised.GetUndertaking(), why)
	case *activityv1.Event_UndertakingCancelled:
		return s.undertakingCancelled(at, f.UndertakingCancelled, why)
	case *activityv1.Event_MeasureRecorded:
		return s.measureRecorded(at, f.MeasureRecorded.GetMeasure(), why)
	case *activityv1.Event_MeasureWithdrawn:
		return s.measureWithdrawn(at, f.MeasureWithdrawn)
	default:
		return fmt.Errorf("%w: its fact is missing or unknown (schema %d wrote it)", fact.ErrUnreadable, meta.GetSchema())
	}
}

// Rollback forgets every fact after position to, as if it had never been.
func (s *State) Rollback(to uint64) {
	s.Missions.Rollback(to)
	s.Periods.Rollback(to)
	s.Reports.Rollback(to)
	s.Undertakings.Rollback(to)
	s.Measures.Rollback(to)
	s.index.rollback(to)
}

// Settle says that facts up to position to will not be rolled back.
func (s *State) Settle(to uint64) {
	s.Missions.Settle(to)
	s.Periods.Settle(to)
	s.Reports.Settle(to)
	s.Undertakings.Settle(to)
	s.Measures.Settle(to)
	s.index.settle(to)
}

// Knows reports whether a period, a report or an undertaking is recorded under the id.
func (s *State) Knows(id string) bool {
	return isThere(&s.Periods, id) || isThere(&s.Reports, id) || isThere(&s.Undertakings, id)
}

// Subject is the subject that an event stands under, registry.activity.<kind>.<id>;
// empty for an event without a known fact. Missions stand under their audience, a
// measure under its site.
func Subject(e *activityv1.Event) string {
	kind, id := subject(e)
	if id == "" {
		return ""
	}
	return "registry.activity." + kind + "." + id
}

func subject(e *activityv1.Event) (kind, id string) {
	switch f := e.GetFact().(type) {
	case *activityv1.Event_MissionsStated:
		return "missions", audienceKey(f.MissionsStated.GetAudience())
	case *activityv1.Event_PeriodOpened:
		return "period", f.PeriodOpened.GetPeriodId()
	case *activityv1.Event_IndicatorsStated:
		return "period", f.IndicatorsStated.GetPeriodId()
	case *activityv1.Event_PeriodClosed:
		return "period", f.PeriodClosed.GetPeriodId()
	case *activityv1.Event_PeriodReopened:
		return "period", f.PeriodReopened.GetPeriodId()
	case *activityv1.Event_ReportSubmitted:
		return "report", f.ReportSubmitted.GetReportId()
	case *activityv1.Event_ReportAmended:
		return "report", f.ReportAmended.GetReportId()
	case *activityv1.Event_ReportValidated:
		return "report", f.ReportValidated.GetReportId()
	case *activityv1.Event_ReportReturned:
		return "report", f.ReportReturned.GetReportId()
	case *activityv1.Event_UndertakingRecorded:
		return "undertaking", f.UndertakingRecorded.GetUndertaking().GetUndertakingId()
	case *activityv1.Event_UndertakingRevised:
		return "undertaking", f.UndertakingRevised.GetUndertaking().GetUndertakingId()
	case *activityv1.Event_UndertakingCancelled:
		return "undertaking", f.UndertakingCancelled.GetUndertakingId()
	case *activityv1.Event_MeasureRecorded:
		return "measure", f.MeasureRecorded.GetMeasure().GetSiteId()
	case *activityv1.Event_MeasureWithdrawn:
		return "measure", f.MeasureWithdrawn.GetSiteId()
	}
	return "", ""
}

func isThere[E any](t *bitemporal.Table[E], id string) bool {
	_, ok := t.Last(id, bitemporal.Latest)
	return ok
}

// rest returns the bases with one more, which is the latest and stands last.
func rest(on []*eventv1.Basis, why *eventv1.Basis) []*eventv1.Basis {
	if why == nil {
		return on
	}
	return append(slices.Clip(on), why)
}
