package activity

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/labelling"
)

// Where a report stands, in short.
const (
	submitted = activityv1.ReportState_REPORT_STATE_SUBMITTED
	returned  = activityv1.ReportState_REPORT_STATE_RETURNED
	validated = activityv1.ReportState_REPORT_STATE_VALIDATED
)

// A report is submitted, for the first time or after it was sent back.
func (s *State) reportSubmitted(at uint64, f *activityv1.ReportSubmitted, meta *eventv1.Meta) error {
	reporter := labelling.HolderID(f.GetReporter())
	if f.GetReportId() == "" || reporter == "" || !isThere(&s.Periods, f.GetPeriodId()) {
		return fmt.Errorf("%w: a report of nobody or of no period", errUnfit)
	}
	before, known := s.ReportOf(f.GetPeriodId(), reporter, bitemporal.Latest)
	if f.GetRevision() != before.GetRevision()+1 || known != (before.GetReportId() == f.GetReportId()) || !known && isThere(&s.Reports, f.GetReportId()) {
		return fmt.Errorf("%w: revision %d of report %q", errUnfit, f.GetRevision(), f.GetReportId())
	}
	r := &activityv1.Report{
		ReportId:       f.GetReportId(),
		PeriodId:       f.GetPeriodId(),
		Reporter:       f.GetReporter(),
		Revision:       f.GetRevision(),
		Values:         f.GetValues(),
		State:          submitted,
		FrozenPosition: frozenAt(at, meta),
		Basis:          rest(nil, meta.GetBasis()),
		Submitter:      meta.GetActor(),
	}
	s.Reports.Assert(r.GetReportId(), always, at, r)
	if !known {
		s.indexReport(at, r)
	}
	return nil
}

// frozenAt is the last position before the commit of the event at a position.
func frozenAt(at uint64, meta *eventv1.Meta) uint64 {
	return at - min(at, 1+uint64(meta.GetCommitIndex()))
}

// A report that was validated has another revision, frozen anew.
func (s *State) reportAmended(at uint64, f *activityv1.ReportAmended, meta *eventv1.Meta) error {
	r, err := s.editReport(f.GetReportId(), f.GetRevision()-1)
	if err != nil {
		return err
	}
	r.Revision, r.Values, r.State, r.Reason = f.GetRevision(), f.GetValues(), submitted, f.GetReason()
	r.FrozenPosition, r.Submitter, r.Basis = frozenAt(at, meta), meta.GetActor(), rest(nil, meta.GetBasis())
	s.Reports.Assert(r.GetReportId(), always, at, r)
	return nil
}

// A revision is validated or sent back. Why it was an amendment stays said.
func (s *State) reportJudged(at uint64, f interface {
	GetReportId() string
	GetRevision() uint32
}, state activityv1.ReportState, reason string, why *eventv1.Basis,
) error {
	r, err := s.editReport(f.GetReportId(), f.GetRevision())
	if err != nil {
		return err
	}
	r.State, r.Reason, r.Basis = state, cmp.Or(reason, r.GetReason()), rest(r.GetBasis(), why)
	s.Reports.Assert(r.GetReportId(), always, at, r)
	return nil
}

// editReport returns a report in its latest revision, which must be this one, for an
// edit. Values are shared by versions: a report has hundreds.
func (s *State) editReport(id string, revision uint32) (*activityv1.Report, error) {
	r, ok := s.Reports.Last(id, bitemporal.Latest)
	if !ok || r.GetRevision() != revision {
		return nil, fmt.Errorf("%w: report %q has no revision %d, or another since", errUnfit, id, revision)
	}
	return &activityv1.Report{
		ReportId: r.GetReportId(), PeriodId: r.GetPeriodId(), Reporter: r.GetReporter(), Revision: r.GetRevision(), Values: r.GetValues(),
		State: r.GetState(), FrozenPosition: r.GetFrozenPosition(), Reason: r.GetReason(), Basis: r.GetBasis(), Submitter: r.GetSubmitter(),
	}, nil
}

// ReportsIn yields the reports of a period as known at a position, each in its latest
// revision, in the order they were first submitted.
func (s *State) ReportsIn(period string, known uint64) iter.Seq[*activityv1.Report] {
	return s.reports(key{reportsByPeriod, period}, known)
}

// ReportsBy yields the reports of a platform or site in the same way.
func (s *State) ReportsBy(reporter string, known uint64) iter.Seq[*activityv1.Report] {
	return s.reports(key{reportsByReporter, reporter}, known)
}

func (s *State) reports(k key, known uint64) iter.Seq[*activityv1.Report] {
	return func(yield func(*activityv1.Report) bool) {
		for id := range s.index.of(k, known) {
			if r, ok := s.Reports.Last(id, known); ok && !yield(r) {
				return
			}
		}
	}
}

// ReportOf returns the report of a platform or site on a period as known at a position,
// in its latest revision. There is one at most.
func (s *State) ReportOf(period, reporter string, known uint64) (*activityv1.Report, bool) {
	for r := range s.ReportsBy(reporter, known) {
		if r.GetPeriodId() == period {
			return r, true
		}
	}
	return nil, false
}

// Revision returns a revision of a report as it stood last, as known at a position.
func (s *State) Revision(report string, revision uint32, known uint64) (*activityv1.Report, bool) {
	for _, v := range slices.Backward(s.Reports.History(report)) {
		if v.KnownFrom <= known && v.Value.GetRevision() == revision {
			return v.Value, true
		}
	}
	return nil, false
}

// SubmitReport decides that a platform or site reports of an open period (PERIOD_CLOSED),
// for the first time, under id, or after its report was sent back, under the id it has.
// One that is to be looked at waits (REPORT_PENDING); one that was validated is amended
// instead (REPORT_VALIDATED). Its values are checked: INDICATOR_UNKNOWN, INDICATOR_NOT_ASKED,
// VALUE_TYPE, VALUE_MISSING, VALUE_TWICE, INDICATOR_REQUIRED.
func SubmitReport(w States, id string, r *activityv1.SubmitReportRequest) ([]*activityv1.Event, error) {
	if err := w.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	p, err := w.openPeriod(r.GetPeriodId())
	if err != nil {
		return nil, err
	}
	reporter, audience, err := w.reporter(r.GetReporter())
	if err != nil {
		return nil, err
	}
	before, known := w.Activity.ReportOf(p.GetPeriodId(), labelling.HolderID(reporter), bitemporal.Latest)
	switch {
	case !known:
		err = w.checkFree(id)
	case before.GetState() == submitted:
		err = fault.New(fault.Refused, "REPORT_PENDING", "period_id", "Report %s is to be looked at.", before.GetReportId())
	case before.GetState() == validated:
		err = fault.New(fault.Refused, "REPORT_VALIDATED", "period_id", "Report %s is validated: amend it.", before.GetReportId())
	default:
		id = before.GetReportId()
	}
	if err != nil {
		return nil, err
	}
	values, err := checkValues(p, audience, r.GetValues())
	if err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_ReportSubmitted{ReportSubmitted: &activityv1.ReportSubmitted{
		ReportId: id, PeriodId: p.GetPeriodId(), Reporter: reporter, Revision: before.GetRevision() + 1, Values: values,
	}}})
}

// AmendReport decides that another revision of a report replaces the latest one
// (REVISION_STALE), also after its period was closed. It was validated once
// (REPORT_NOT_VALIDATED) and is not to be looked at now (REPORT_PENDING): so an amendment
// that was sent back can be mended. Something is different (VALUES_UNCHANGED).
func AmendReport(w States, r *activityv1.AmendReportRequest) ([]*activityv1.Event, error) {
	if err := w.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	report, err := w.latest(r)
	if err != nil {
		return nil, err
	}
	switch {
	case !slices.ContainsFunc(w.Activity.Reports.History(r.GetReportId()), func(v bitemporal.Version[*activityv1.Report]) bool {
		return v.Value.GetState() == validated
	}):
		return nil, fault.New(fault.Refused, "REPORT_NOT_VALIDATED", "report_id", "Report %s was never validated.", r.GetReportId())
	case report.GetState() == submitted:
		return nil, fault.New(fault.Refused, "REPORT_PENDING", "report_id", "Report %s is to be looked at.", r.GetReportId())
	}
	p, err := w.period(report.GetPeriodId())
	if err != nil {
		return nil, err
	}
	values, err := checkValues(p, AudienceOf(report.GetReporter(), w.Topology, bitemporal.Latest), r.GetValues())
	if err != nil {
		return nil, err
	}
	if proto.Equal(&activityv1.Report{Values: values}, &activityv1.Report{Values: report.GetValues()}) {
		return nil, fault.New(fault.Refused, "VALUES_UNCHANGED", "values", "Revision %d has these values.", report.GetRevision())
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_ReportAmended{ReportAmended: &activityv1.ReportAmended{
		ReportId: r.GetReportId(), Revision: report.GetRevision() + 1, Values: values, Reason: r.GetReason(),
	}}})
}

// ValidateReport decides that the latest revision of a report (REVISION_STALE), which is
// to be looked at (REPORT_VALIDATED, REPORT_RETURNED), is right. That another person than
// its submitter says so is for the caller to see to.
func ValidateReport(w States, r *activityv1.ValidateReportRequest) ([]*activityv1.Event, error) {
	if err := cmp.Or(w.checkBasis(r.GetBasis()), w.checkPending(r)); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_ReportValidated{ReportValidated: &activityv1.ReportValidated{
		ReportId: r.GetReportId(), Revision: r.GetRevision(),
	}}})
}

// ReturnReport decides that the latest revision of a report, by the rules of
// [ValidateReport], is sent back.
func ReturnReport(w States, r *activityv1.ReturnReportRequest) ([]*activityv1.Event, error) {
	if err := cmp.Or(w.checkBasis(r.GetBasis()), w.checkPending(r)); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_ReportReturned{ReportReturned: &activityv1.ReportReturned{
		ReportId: r.GetReportId(), Revision: r.GetRevision(), Reason: r.GetReason(),
	}}})
}

// revised is a request about a revision of a report.
type revised interface {
	GetReportId() string
	GetRevision() uint32
}

// latest returns the report that a request is about, whose latest revision it names.
func (w States) latest(r revised) (*activityv1.Report, error) {
	report, ok := w.Activity.Reports.Last(r.GetReportId(), bitemporal.Latest)
	if !ok {
		return nil, fault.New(fault.NotFound, "REPORT_UNKNOWN", "report_id", "No report is recorded under %q.", r.GetReportId())
	}
	if report.GetRevision() != r.GetRevision() {
		return nil, fault.New(fault.Refused, "REVISION_STALE", "revision", "Report %s stands at revision %d.", r.GetReportId(), report.GetRevision())
	}
	return report, nil
}

func (w States) checkPending(r revised) error {
	report, err := w.latest(r)
	switch {
	case err != nil:
		return err
	case report.GetState() == validated:
		return fault.New(fault.Refused, "REPORT_VALIDATED", "report_id", "Revision %d is validated.", r.GetRevision())
	case report.GetState() == returned:
		return fault.New(fault.Refused, "REPORT_RETURNED", "report_id", "Revision %d was sent back.", r.GetRevision())
	}
	return nil
}

// checkValues returns the values of a report in the order in which its period asks them.
// It refuses one that the period does not ask (INDICATOR_UNKNOWN) or not of this audience
// (INDICATOR_NOT_ASKED), of another type (VALUE_TYPE) or of none (VALUE_MISSING), two of
// one indicator (VALUE_TWICE), and a report that lacks a required one
// (INDICATOR_REQUIRED).
func checkValues(p *activityv1.Period, audience activityv1.Audience, given []*activityv1.Value) ([]*activityv1.Value, error) {
	asked := byCode(p.GetIndicators())
	values := make(map[string]*activityv1.Value, len(given))
	for i, v := range given {
		code, field := v.GetIndicatorCode(), fmt.Sprintf("values[%d]", i)
		indicator, known := asked[code]
		switch {
		case !known:
			return nil, fault.New(fault.NotFound, "INDICATOR_UNKNOWN", field, "Period %s asks no indicator %q.", p.GetCode(), code)
		case !slices.Contains(indicator.GetAudiences(), audience):
			return nil, fault.New(fault.Refused, "INDICATOR_NOT_ASKED", field, "%q is not asked of %s.", code, audience)
		case values[code] != nil:
			return nil, fault.New(fault.Invalid, "VALUE_TWICE", field, "%q has a value already.", code)
		}
		switch is := typeOf(v); is {
		case activityv1.ValueType_VALUE_TYPE_UNSPECIFIED:
			return nil, fault.New(fault.Invalid, "VALUE_MISSING", field, "%q has no value.", code)
		case indicator.GetType():
		default:
			return nil, fault.New(fault.Invalid, "VALUE_TYPE", field, "%q is %s, not %s.", code, indicator.GetType(), is)
		}
		values[code] = v
	}
	var ordered []*activityv1.Value
	for _, x := range p.GetIndicators() {
		if v := values[x.GetCode()]; v != nil {
			ordered = append(ordered, v)
		} else if x.GetRequired() && slices.Contains(x.GetAudiences(), audience) {
			return nil, fault.New(fault.Refused, "INDICATOR_REQUIRED", "values", "%q (%s) is required.", x.GetCode(), x.GetTitle())
		}
	}
	return ordered, nil
}

// typeOf is the type of a value; unspecified for none, as an empty text is.
func typeOf(v *activityv1.Value) activityv1.ValueType {
	switch v := v.GetValue().(type) {
	case *activityv1.Value_Count:
		return activityv1.ValueType_VALUE_TYPE_COUNT
	case *activityv1.Value_Milli:
		return activityv1.ValueType_VALUE_TYPE_QUANTITY
	case *activityv1.Value_Cents:
		return activityv1.ValueType_VALUE_TYPE_EUROS
	case *activityv1.Value_Flag:
		return activityv1.ValueType_VALUE_TYPE_FLAG
	case *activityv1.Value_Text:
		if v.Text != "" {
			return activityv1.ValueType_VALUE_TYPE_TEXT
		}
	}
	return activityv1.ValueType_VALUE_TYPE_UNSPECIFIED
}
