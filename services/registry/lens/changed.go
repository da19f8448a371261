package lens

import (
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/labelling"
)

var (
	periodProperties = []property[*activityv1.Period]{
		plain("indicators", func(v *activityv1.Period) string { return printAll(v.GetIndicators(), (*activityv1.Indicator).GetCode) }),
		flag("open", (*activityv1.Period).GetOpen),
		plain("closed_date", (*activityv1.Period).GetClosedDate),
	}
	reportProperties = []property[*activityv1.Report]{
		printed("state", (*activityv1.Report).GetState),
		plain("revision", func(v *activityv1.Report) string { return strconv.FormatUint(uint64(v.GetRevision()), 10) }),
		plain("reason", (*activityv1.Report).GetReason),
	}
	undertakingProperties = []property[*activityv1.Undertaking]{
		printed("kind", (*activityv1.Undertaking).GetKind),
		plain("title", (*activityv1.Undertaking).GetTitle),
		{field: "holder", value: func(_ Lens, v *activityv1.Undertaking) string { return labelling.HolderID(v.GetHolder()) }},
		plain("period", func(v *activityv1.Undertaking) string { return printPeriod(v.GetSpan()) }),
		several("missions", (*activityv1.Undertaking).GetMissionCodes),
		{field: "axes", value: func(l Lens, v *activityv1.Undertaking) string {
			return printAll(v.GetAxes(), func(a *activityv1.AxisCited) string { return l.planCode(a.GetPlanId()) + "/" + a.GetAxisCode() })
		}},
		plain("description", (*activityv1.Undertaking).GetDescription),
		flag("cancelled", (*activityv1.Undertaking).GetCancelled),
	}
)

// activityChanges is what differs between two records of activity of one kind. A report
// also tells how its values differ, by the codes of their indicators.
func (l Lens) activityChanges(before, after proto.Message) []*labellingv1.Change {
	switch a := before.(type) {
	case *activityv1.Period:
		return differ(l, periodProperties, a, after.(*activityv1.Period))
	case *activityv1.Report:
		b := after.(*activityv1.Report)
		return append(differ(l, reportProperties, a, b), valueChanges(a.GetValues(), b.GetValues())...)
	case *activityv1.Undertaking:
		return differ(l, undertakingProperties, a, after.(*activityv1.Undertaking))
	}
	return nil
}

// valueChanges is how the values of two revisions differ, those of the later one first.
func valueChanges(before, after []*activityv1.Value) (changes []*labellingv1.Change) {
	was := make(map[string]string, len(before))
	for _, v := range before {
		was[v.GetIndicatorCode()] = printValue(v)
	}
	for _, v := range after {
		code, now := v.GetIndicatorCode(), printValue(v)
		if was[code] != now {
			changes = append(changes, &labellingv1.Change{Field: "values." + code, Before: was[code], After: now})
		}
		delete(was, code)
	}
	for _, v := range before {
		if text, gone := was[v.GetIndicatorCode()]; gone {
			changes = append(changes, &labellingv1.Change{Field: "values." + v.GetIndicatorCode(), Before: text})
		}
	}
	return changes
}

// printValue writes a value with a point before its decimals.
func printValue(v *activityv1.Value) string {
	switch x := v.GetValue().(type) {
	case *activityv1.Value_Count:
		return strconv.FormatUint(x.Count, 10)
	case *activityv1.Value_Milli:
		return fmt.Sprintf("%d.%03d", x.Milli/1000, x.Milli%1000)
	case *activityv1.Value_Cents:
		return fmt.Sprintf("%d.%02d", x.Cents/100, x.Cents%100)
	case *activityv1.Value_Flag:
		return strconv.FormatBool(x.Flag)
	case *activityv1.Value_Text:
		return x.Text
	}
	return ""
}

// measureChanges is what the fact at a position changed of the measures of a site, which
// were measured before.
func (l Lens) measureChanges(site string, position uint64) (changes []*labellingv1.Change) {
	if position == 0 {
		return nil
	}
	after := l.s.Activity.MeasuresOf(site, position)
	for _, was := range l.s.Activity.MeasuresOf(site, position-1) {
		i := slices.IndexFunc(after, func(m *activityv1.Measure) bool { return m.GetYear() == was.GetYear() && m.GetUnit() == was.GetUnit() })
		change := &labellingv1.Change{Field: "count", Before: strconv.FormatUint(uint64(was.GetCount()), 10)}
		switch {
		case i < 0:
		case after[i].GetCount() == was.GetCount():
			continue
		default:
			change.After = strconv.FormatUint(uint64(after[i].GetCount()), 10)
		}
		changes = append(changes, change)
	}
	return changes
}

func (l Lens) planCode(id string) string {
	if p := near(&l.s.Topology.Plans, id, l.m); p.GetCode() != "" {
		return p.GetCode()
	}
	return id
}
