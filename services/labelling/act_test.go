package labelling

import (
	"slices"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/topology"
)

func recording(r *labellingv1.RecordActRequest) func(*world) ([]*labellingv1.Event, error) {
	return func(w *world) ([]*labellingv1.Event, error) { return w.recording(r) }
}

func recordingWith(edit func(*labellingv1.RecordActRequest), lines ...*labellingv1.ActLine) func(*world) ([]*labellingv1.Event, error) {
	r := act(lines...)
	edit(r)
	return recording(r)
}

func TestRecordAct(t *testing.T) {
	for _, d := range []decided{
		{
			name: "each disposition, one event a line",
			given: func(w *world) {
				w.grant("A", during(site(centre1, net1), "2017", "2022"))
				w.grant("K", during(filiere(fil1), "2019", "2028"))
				w.grant("R", during(platform(pemr, labellingv1.Role_ROLE_PEMR), "2020", "2028"))
			},
			when: recordingWith(
				func(r *labellingv1.RecordActRequest) { r.EffectiveDate, r.Nor = "2023-12-29", "ssah2213795d" },
				renewed("A", during(site(centre1, net1), "2023-12-29", "2028-12-29")),
				&labellingv1.ActLine{
					Disposition: granted(during(site(centre2, net1), "2023-12-29", "2028-12-29")).GetDisposition(),
					Number:      77,
					AsPrinted:   []*eventv1.Printed{{Field: "type", Value: "constitutif"}},
				},
				confirmed("K"),
				repealed("R"),
			),
			then: func(t *testing.T, w *world) {
				act, ok := w.s.Acts.At("M000000001", 0, w.at)
				if !ok || act.GetLineCount() != 4 || act.GetNor() != "SSAH2213795D" {
					t.Fatalf("act is %v", act)
				}
				if ids := w.s.ActsByNOR("SSAH2213795D"); len(ids) != 1 {
					t.Errorf("acts of the NOR are %v", ids)
				}
				next := w.label(w.label("A").GetSuccessorId())
				if b := next.GetBasis()[0]; b.GetActId() != act.GetActId() || b.GetActLine() != 1 || b.GetSource() != source.GetSource() || b.GetEvidence() != source.GetEvidence() {
					t.Errorf("the renewed label rests on %v", b)
				}
				for id := range w.s.Labels.IDs() {
					if l := w.label(id); l.GetHolder().GetSite().GetCentreId() == centre2 {
						if b := l.GetBasis()[0]; b.GetActLine() != 77 || b.GetAsPrinted()[0].GetValue() != "constitutif" {
							t.Errorf("the granted label rests on %v", b)
						}
					}
				}
				if b := w.label("K").GetBasis(); len(b) != 2 || b[1].GetActLine() != 3 {
					t.Errorf("the confirmed label rests on %v", b)
				}
				if from := w.label("R").GetRepealedFrom(); from != "2023-12-29" {
					t.Errorf("the repealed label is held until %q", from)
				}
			},
		},
		{
			name: "what an act prints is not argued with",
			given: func(w *world) {
				w.grant("A", during(site(centre1, net1), "2017", "2022"))
			},
			when: recordingWith(
				func(r *labellingv1.RecordActRequest) {
					r.Publications = []*labellingv1.Publication{{Date: "2020"}} // before it was signed
				},
				granted(as(during(site(centre1, net1), "2019", "2024"), labellingv1.Role_ROLE_COORDINATOR)), // overlaps another act's label
				granted(as(during(site(centre2, net1), "2019", "2024"), labellingv1.Role_ROLE_COORDINATOR)), // two coordinators
			),
			then: func(t *testing.T, w *world) {
				if n := w.s.Labels.Len(); n != 3 {
					t.Errorf("%d labels, want 3", n)
				}
			},
		},
		{name: "no line at all", when: recording(act()), then: func(t *testing.T, w *world) {
			if w.s.Acts.Len() != 1 {
				t.Error("no act")
			}
		}},
	} {
		t.Run(d.name, d.run)
	}
}

func TestRecordActReadsItsLines(t *testing.T) {
	for _, d := range []decided{
		{
			name:  "its lines are of its cycle, where they name none",
			given: func(w *world) { given2017(w); w.cycle("C", "2023-2028", "2023", "2028"); w.cycle("D", "other", "", "") },
			when: recordingWith(
				func(r *labellingv1.RecordActRequest) { r.CycleId = "C" },
				renewed("A", during(site(centre1, net1), "2023-12-29", "2028")),
				granted(during(site(centre2, net1), "2023-12-29", "2028")),
				granted(in(filiere(fil1), "D")),
			),
			then: func(t *testing.T, w *world) {
				if c := w.label(w.label("A").GetSuccessorId()).GetCycleId(); c != "C" {
					t.Errorf("the renewed label is of cycle %q", c)
				}
				var cycles []string
				for id := range w.s.Labels.IDs() {
					cycles = append(cycles, w.label(id).GetCycleId())
				}
				if got := strings.Join(cycles, " "); got != " C C D" {
					t.Errorf("the labels are of cycles %q", got)
				}
			},
		},
		{
			name: "its lines are numbered as printed, or by place",
			when: recording(act(numbered(2, granted(filiere(fil1))), numbered(1, granted(filiere(fil2))), granted(site(centre1, net1)))),
			then: func(t *testing.T, w *world) {
				var numbers []uint32
				for id := range w.s.Labels.IDs() {
					numbers = append(numbers, w.label(id).GetBasis()[0].GetActLine())
				}
				if !slices.Equal(numbers, []uint32{2, 1, 3}) {
					t.Errorf("the labels rest on lines %v", numbers)
				}
			},
		},
	} {
		t.Run(d.name, d.run)
	}
}

func numbered(n uint32, line *labellingv1.ActLine) *labellingv1.ActLine {
	line.Number = n
	return line
}

// One text is recorded once: the same kind, title, day of signature and NOR are the
// same act. An erratum, or a text of another day, is another one. A text that was cited
// before its list was read goes on under its id, with what the list does not say.
func TestRecordActTwice(t *testing.T) {
	given := func(w *world) {
		w.append(recordingWith(func(r *labellingv1.RecordActRequest) { r.Nor = "SSAH2213795D" }, granted(filiere(fil1)))(w))
	}
	another := func(t *testing.T, w *world) {
		if n := w.s.Acts.Len(); n != 2 {
			t.Errorf("%d acts, want 2", n)
		}
	}
	cited := func(edit func(*labellingv1.RecordActRequest)) func(*world) {
		return func(w *world) {
			w.append(recordingWith(func(r *labellingv1.RecordActRequest) {
				r.Nor, r.Authority, r.Publications = "SSAH2213795D", "Ministres", []*labellingv1.Publication{{Date: "2024-01-15"}}
				r.Scope = []*labellingv1.ScopeCell{{Coverage: labellingv1.Coverage_COVERAGE_PARTIAL}}
				if edit != nil {
					edit(r)
				}
			})(w))
		}
	}
	listed := func(t *testing.T, w *world) {
		before, _ := w.s.Acts.At("M000000001", 0, 1)
		a, _ := w.s.Acts.At("M000000001", 0, w.at)
		if w.s.Acts.Len() != 1 || before.GetLineCount() != 0 || a.GetLineCount() != 1 || a.GetNor() != "SSAH2213795D" || a.GetAuthority() != "Ministres" ||
			len(a.GetPublications()) != 1 || a.GetEffectiveDate() != "2023-12-26" || len(a.GetScope()) > 0 || len(a.GetBasis()) != 2 {
			t.Errorf("%d acts, of which %v, before %v", w.s.Acts.Len(), a, before)
		}
		for l := range w.s.LabelsOf(fil1, w.at) {
			if l.GetBasis()[0].GetActId() != "M000000001" {
				t.Errorf("label %v", l)
			}
		}
	}
	one := []*labellingv1.ActLine{granted(filiere(fil1))}
	with := func(edit func(*labellingv1.RecordActRequest)) func(*world) ([]*labellingv1.Event, error) {
		return recordingWith(func(r *labellingv1.RecordActRequest) { r.Nor = "ssah2213795d"; edit(r) })
	}
	for _, d := range []decided{
		{name: "the same", given: given, when: with(func(*labellingv1.RecordActRequest) {}), fault: "ACT_KNOWN title"},
		{name: "whatever case, accents and hyphens", given: given, when: with(func(r *labellingv1.RecordActRequest) {
			r.Title = "ARRETE portant-labellisation"
		}), fault: "ACT_KNOWN title"},
		{name: "with other lines", given: given, when: with(func(r *labellingv1.RecordActRequest) {
			r.Lines = []*labellingv1.ActLine{granted(filiere(fil2))}
		}), fault: "ACT_KNOWN title"},
		{name: "its list, where it is known without", given: cited(nil), when: with(func(r *labellingv1.RecordActRequest) { r.Lines = one }), then: listed},
		{name: "its list, under another title", given: cited(nil), when: with(func(r *labellingv1.RecordActRequest) { r.Title, r.Lines = "Arrêté du 26", one }), then: listed},
		{name: "its list, without its NOR", given: cited(nil), when: with(func(r *labellingv1.RecordActRequest) { r.Nor, r.Lines = "", one }), then: listed},
		{name: "the list of another day", given: cited(nil), when: with(func(r *labellingv1.RecordActRequest) { r.SignedDate, r.Lines = "2023-12-27", one }), then: another},
		{name: "the list of one that amends it", given: cited(nil), when: with(func(r *labellingv1.RecordActRequest) {
			r.Title, r.AmendsActId, r.Lines = "Erratum", "M000000001", one
		}), then: another},
		{name: "the list of one of two", given: func(w *world) {
			cited(func(r *labellingv1.RecordActRequest) { r.Title = "Un" })(w)
			cited(func(r *labellingv1.RecordActRequest) { r.Title = "Deux" })(w)
		}, when: with(func(r *labellingv1.RecordActRequest) { r.Lines = one }), then: func(t *testing.T, w *world) {
			if n := w.s.Acts.Len(); n != 3 {
				t.Errorf("%d acts, want 3", n)
			}
		}},
		{name: "without lines, where it is known with them", given: given, when: with(func(r *labellingv1.RecordActRequest) { r.Lines = nil }), fault: "ACT_KNOWN title"},
		{name: "without lines twice", given: func(w *world) {
			w.append(recordingWith(func(r *labellingv1.RecordActRequest) { r.Nor = "SSAH2213795D" })(w))
		}, when: with(func(r *labellingv1.RecordActRequest) { r.Lines = nil }), fault: "ACT_KNOWN title"},
		{name: "its list twice, where it was known without", given: func(w *world) {
			w.append(recordingWith(func(r *labellingv1.RecordActRequest) { r.Nor = "SSAH2213795D" })(w))
			given(w)
		}, when: with(func(r *labellingv1.RecordActRequest) { r.Lines = []*labellingv1.ActLine{granted(filiere(fil1))} }), fault: "ACT_KNOWN title"},
		{name: "another title", given: given, when: with(func(r *labellingv1.RecordActRequest) { r.Title += ", erratum" }), then: another},
		{name: "another day", given: given, when: with(func(r *labellingv1.RecordActRequest) { r.SignedDate = "2023-12-27" }), then: another},
		{name: "another kind", given: given, when: with(func(r *labellingv1.RecordActRequest) {
			r.Kind = labellingv1.ActKind_ACT_KIND_CIRCULAIRE
		}), then: another},
		{name: "another NOR", given: given, when: with(func(r *labellingv1.RecordActRequest) { r.Nor = "" }), then: another},
	} {
		t.Run(d.name, d.run)
	}
	w := newWorld(t)
	given(w)
	_, err := with(func(*labellingv1.RecordActRequest) {})(w)
	if err == nil || !strings.Contains(err.Error(), "M000000001") {
		t.Errorf("error %v does not name the act", err)
	}
	w.s.Rollback(0)
	if _, ok := w.s.ActLike(&labellingv1.ActRecorded{Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: act().GetTitle(), SignedDate: act().GetSignedDate(), Nor: "SSAH2213795D"}, bitemporal.Latest); ok {
		t.Error("an act that was rolled back is known")
	}
}

func TestRecordActTwiceOnOneHolder(t *testing.T) {
	for _, d := range []decided{
		{name: "two lines open one site", when: recording(act(granted(site(centre1, net1)), granted(site(centre1, net1)))), fault: "LINES_SAME_SITE lines[1].granted.site"},
		{
			name: "two lines on one site, by pair and by id", given: given2017,
			when: recording(act(
				granted(during(site(centre1, net1), "2024", "")),
				granted(&labellingv1.Grant{Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{SiteId: "SA"}}}),
			)),
			fault: "LINES_SAME_SITE lines[1].granted.site",
		},
		{name: "confirmed and renewed", given: given2017, when: recording(act(confirmed("A"), renewed("A", during(site(centre2, net2), "2024", "")))), fault: "LINES_SAME_SITE lines[1].renewed.label_id"},
		{name: "granted beside the label of the same site", given: given2017, when: recording(act(granted(during(site(centre1, net1), "2024", "")), confirmed("A"))), fault: "LINES_SAME_SITE lines[1].confirmed_label_id"},
		{
			name:  "confirmed twice",
			given: func(w *world) { w.grant("K", filiere(fil1)) },
			when:  recording(act(confirmed("K"), confirmed("K"))), fault: "LINES_SAME_SITE lines[1].confirmed_label_id",
		},
		{
			name: "two labels of one filière for the same days",
			when: recording(act(granted(during(filiere(fil1), "2019", "2023")), granted(during(filiere(fil1), "2021", "2025")))), fault: "LABEL_OVERLAPS lines[1].granted.period",
		},
		{
			name: "two labels of one filière, one after the other",
			when: recording(act(granted(during(filiere(fil1), "2019-01-01", "2023-01-01")), granted(during(filiere(fil1), "2023-01-01", "2027-01-01")))),
			then: func(t *testing.T, w *world) {
				if n := w.s.Labels.Len(); n != 2 {
					t.Errorf("%d labels, want 2", n)
				}
			},
		},
	} {
		t.Run(d.name, d.run)
	}
}

func TestRecordActRefuses(t *testing.T) {
	for _, d := range []decided{
		{name: "no disposition", when: recording(act(&labellingv1.ActLine{})), fault: "DISPOSITION_MISSING lines[0]"},
		{name: "unknown label confirmed", when: recording(act(confirmed("X"))), fault: "LABEL_UNKNOWN lines[0].confirmed_label_id"},
		{name: "unknown label repealed", when: recording(act(repealed("X"))), fault: "LABEL_UNKNOWN lines[0].repealed_label_id"},
		{name: "unknown label renewed", when: recording(act(renewed("X", site(centre1, net1)))), fault: "LABEL_UNKNOWN lines[0].renewed.label_id"},
		{name: "unknown centre", when: recording(act(granted(filiere(fil1)), granted(site("X", net1)))), fault: "CENTRE_UNKNOWN lines[1].granted.site.centre_id"},
		{name: "unknown network of a renewal", given: given2017, when: recording(act(renewed("A", site(centre1, "X")))), fault: "NETWORK_UNKNOWN lines[0].renewed.grant.site.network_id"},
		{name: "unknown cycle of a line", when: recording(act(granted(in(filiere(fil1), "X")))), fault: "CYCLE_UNKNOWN lines[0].granted.cycle_id"},
		{name: "a role its holder cannot have", when: recording(act(granted(as(site(centre1, net1), labellingv1.Role_ROLE_FSMR)))), fault: "ROLE_HOLDER_MISMATCH lines[0].granted.role"},
		{name: "an empty window", when: recording(act(granted(during(filiere(fil1), "2024", "2023")))), fault: "PERIOD_EMPTY lines[0].granted.period.end"},
		{name: "repealed from no day", given: given2017, when: recording(act(repealed("A"))), fault: "DATE_INVALID lines[0]"},
		{name: "repealed after its term", given: given2017, when: recordingWith(func(r *labellingv1.RecordActRequest) { r.EffectiveDate = "2024-01-01" }, repealed("A")), fault: "REPEAL_OUTSIDE_TERM lines[0]"},
		{name: "repealed before it began", given: given2017, when: recordingWith(func(r *labellingv1.RecordActRequest) { r.EffectiveDate = "2016-01-01" }, granted(filiere(fil1)), repealed("A")), fault: "REPEAL_OUTSIDE_TERM lines[1]"},
		{name: "one number twice", when: recording(act(numbered(7, granted(filiere(fil1))), numbered(7, granted(filiere(fil2))))), fault: "LINE_NUMBER_TWICE lines[1].number"},
		{name: "a number that is another line's place", when: recording(act(numbered(2, granted(filiere(fil1))), granted(filiere(fil2)))), fault: "LINE_NUMBER_TWICE lines[1].number"},
		{name: "a place that is another line's number", when: recording(act(granted(filiere(fil1)), numbered(1, granted(filiere(fil2))))), fault: "LINE_NUMBER_TWICE lines[1].number"},
		{name: "no NOR", when: recordingWith(func(r *labellingv1.RecordActRequest) { r.Nor = "SSAH22" }), fault: "NOR_INVALID nor"},
		{name: "announced on no day", when: recordingWith(func(r *labellingv1.RecordActRequest) { r.AnnouncedDate = "2023-00" }), fault: "DATE_INVALID announced_date"},
		{name: "signed on no day", when: recordingWith(func(r *labellingv1.RecordActRequest) { r.SignedDate = "2023-02-30" }), fault: "DATE_INVALID signed_date"},
		{name: "effective on no day", when: recordingWith(func(r *labellingv1.RecordActRequest) { r.EffectiveDate = "2023-02-30" }), fault: "DATE_INVALID effective_date"},
		{name: "published on no day", when: recordingWith(func(r *labellingv1.RecordActRequest) {
			r.Publications = []*labellingv1.Publication{{Date: "2023"}, {Date: "2023-13"}}
		}), fault: "DATE_INVALID publications[1].date"},
		{name: "of an unknown cycle", when: recordingWith(func(r *labellingv1.RecordActRequest) { r.CycleId = "X" }), fault: "CYCLE_UNKNOWN cycle_id"},
		{name: "about an unknown filière", when: recordingWith(func(r *labellingv1.RecordActRequest) {
			r.Scope = []*labellingv1.ScopeCell{{}, {FiliereId: "X"}}
		}), fault: "FILIERE_UNKNOWN scope[1].filiere_id"},
		{name: "on an unknown act", when: recordingWith(func(r *labellingv1.RecordActRequest) { r.Basis = &eventv1.Basis{ActId: "X"} }), fault: "BASIS_ACT_UNKNOWN basis.act_id"},
		{name: "on nothing", when: recordingWith(func(r *labellingv1.RecordActRequest) { r.Basis = nil }), fault: "BASIS_MISSING basis"},
		{name: "an id minted twice", when: func(w *world) ([]*labellingv1.Event, error) {
			return RecordAct(w.s, w.topo, func() string { return "SAME" }, act(granted(filiere(fil1))), func(int) *eventv1.PersonalValue { return nil })
		}, fault: "ID_TAKEN lines[0]"},
	} {
		t.Run(d.name, d.run)
	}
}

// Names stay in the vault: what reaches an event is what stands for the head of its line.
func TestRecordActHeads(t *testing.T) {
	w := newWorld(t)
	named := site(centre1, net1)
	named.HeadName = "Pr X"
	events, err := RecordAct(w.s, w.topo, w.mint, act(granted(filiere(fil1)), granted(named)), func(line int) *eventv1.PersonalValue {
		if line == 1 {
			return &eventv1.PersonalValue{ValueId: "V"}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if h := events[1].GetLabelGranted().GetHead(); h != nil {
		t.Errorf("head of line 0 is %v", h)
	}
	if h := events[2].GetLabelGranted().GetHead(); h.GetValueId() != "V" {
		t.Errorf("head of line 1 is %v", h)
	}
}

// A decision reads the state and leaves it alone, so that it can be taken again.
func TestRecordActIsPure(t *testing.T) {
	w := newWorld(t)
	given2017(w)
	before := dump(t, w.s)
	for range 2 {
		if _, err := w.recording(act(renewed("A", during(site(centre1, net2), "2024", "")))); err != nil {
			t.Fatal(err)
		}
	}
	if after := dump(t, w.s); after != before {
		t.Errorf("state was\n%s\nis\n%s", before, after)
	}
}

const (
	planned, inForce     = labellingv1.Status_STATUS_PLANNED, labellingv1.Status_STATUS_IN_FORCE
	abeyance, expired    = labellingv1.Status_STATUS_IN_ABEYANCE, labellingv1.Status_STATUS_EXPIRED
	repealedS, succeeded = labellingv1.Status_STATUS_REPEALED, labellingv1.Status_STATUS_SUPERSEDED
	undetermined, lapsed = labellingv1.Status_STATUS_UNDETERMINED, labellingv1.Status_STATUS_LAPSED

	complete, partial = labellingv1.Coverage_COVERAGE_COMPLETE, labellingv1.Coverage_COVERAGE_PARTIAL
)

type want map[string]labellingv1.Status

// status is the status of label A on some days, given what was recorded.
type status struct {
	name  string
	given func(*world)
	want  want
}

func (c status) run(t *testing.T) {
	w := newWorld(t)
	c.given(w)
	for on, want := range c.want {
		got, ok := w.s.StatusAt("A", day(on), w.at, w.topo)
		if !ok || got != want {
			t.Errorf("on %s: %v (%t), want %v", on, got, ok, want)
		}
	}
}

// listing records an act that names no label.
func listing(w *world, effective string, scope ...*labellingv1.ScopeCell) {
	r := act()
	r.Title, r.EffectiveDate, r.Scope = "Liste du "+effective, effective, scope
	w.append(w.recording(r))
}

func TestStatusOfATerm(t *testing.T) {
	for _, c := range []status{
		{
			name:  "a term known by its years",
			given: given2017,
			want: want{
				"2016-12-31": planned, "2017-01-01": undetermined, "2017-12-30": undetermined, "2017-12-31": inForce,
				"2018-01-01": inForce, "2021-12-31": inForce, "2022-01-01": undetermined, "2022-06-01": undetermined,
				"2022-12-31": undetermined, "2023-01-01": abeyance, "2023-06-01": abeyance,
			},
		},
		{
			name:  "a term known to the day",
			given: func(w *world) { w.grant("A", during(site(centre1, net1), "2017-05-09", "2022-05-09")) },
			want:  want{"2017-05-08": planned, "2017-05-09": inForce, "2022-05-08": inForce, "2022-05-09": abeyance},
		},
		{
			name:  "an end nobody knows",
			given: func(w *world) { w.grant("A", during(site(centre1, net1), "2007-07-01", "")) },
			want:  want{"2007-06-30": planned, "2007-07-01": undetermined, "2024-06-01": undetermined},
		},
		{
			name:  "a start nobody knows",
			given: func(w *world) { w.grant("A", during(site(centre1, net1), "", "2022-01-01")) },
			want:  want{"1990-01-01": undetermined, "2021-12-30": undetermined, "2021-12-31": inForce, "2022-01-01": abeyance},
		},
		{
			name:  "no date at all",
			given: func(w *world) { w.grant("A", site(centre1, net1)) },
			want:  want{"1950-01-01": undetermined, "2018-01-01": undetermined, "2090-01-01": undetermined},
		},
		{
			name: "a start nobody knows, in a cycle",
			given: func(w *world) {
				w.cycle("C", "2017-2022", "2017", "2022")
				w.grant("A", in(during(site(centre1, net1), "", "2022"), "C"))
			},
			want: want{"2016-12-31": planned, "2017-01-01": undetermined, "2022-06-01": undetermined, "2023-01-01": abeyance},
		},
		{
			name:  "repealed",
			given: func(w *world) { given2017(w); w.append(w.repealing("A", "2019-03-01")) },
			want:  want{"2016-06-01": planned, "2019-02-28": inForce, "2019-03-01": repealedS, "2024-01-01": repealedS},
		},
	} {
		t.Run(c.name, c.run)
	}
}

func TestStatusOfWhatWentOn(t *testing.T) {
	for _, c := range []status{
		{
			name:  "renewed after a gap, which no renewal bridges",
			given: func(w *world) { given2017(w); w.renew("A", "B", during(site(centre2, net2), "2023-12-29", "")) },
			want:  want{"2021-06-01": inForce, "2022-06-01": undetermined, "2023-06-01": abeyance, "2023-12-28": abeyance, "2023-12-29": succeeded},
		},
		{
			name:  "renewed before its end",
			given: func(w *world) { given2017(w); w.renew("A", "B", during(site(centre1, net1), "2020-01-01", "")) },
			want:  want{"2019-12-31": inForce, "2020-01-01": succeeded, "2023-06-01": succeeded},
		},
		{
			name: "renewed in a later cycle, nobody knows when",
			given: func(w *world) {
				w.cycle("C", "2023-2028", "2023", "2028")
				given2017(w)
				w.renew("A", "B", in(site(centre1, net1), "C"))
			},
			want: want{"2021-06-01": inForce, "2022-06-01": undetermined, "2022-12-31": undetermined, "2023-01-01": undetermined},
		},
		{
			name:  "renewed, nobody knows when",
			given: func(w *world) { given2017(w); w.renew("A", "B", site(centre1, net1)) },
			want:  want{"2021-06-01": inForce, "2022-06-01": undetermined, "2023-06-01": undetermined},
		},
		{
			name: "a later label of the same site",
			given: func(w *world) {
				given2017(w)
				w.grant("B", during(site(centre1, net1), "2023-12-29", "2028"))
			},
			want: want{"2021-06-01": inForce, "2023-06-01": abeyance, "2023-12-29": succeeded},
		},
		{
			name: "a label of the same team in another network",
			given: func(w *world) {
				given2017(w)
				w.grant("B", during(site(centre1, net2), "2019", "2028"))
			},
			want: want{"2021-06-01": inForce, "2023-06-01": abeyance, "2024-01-01": abeyance},
		},
	} {
		t.Run(c.name, c.run)
	}
}

// A start known to the month or year says no more than that the label before is over
// once it is past.
func TestStatusWhereAStartIsNotSure(t *testing.T) {
	during2023 := func(end string) func(*world) {
		return func(w *world) {
			w.grant("A", during(site(centre1, net1), "2017", end))
			w.renew("A", "B", during(site(centre2, net2), "2023", "2028"))
		}
	}
	for _, c := range []status{
		{
			name:  "renewed some day of a year, past its term",
			given: during2023("2022"),
			want:  want{"2021-06-01": inForce, "2022-06-01": undetermined, "2023-01-01": abeyance, "2023-12-30": abeyance, "2023-12-31": succeeded, "2024-01-01": succeeded},
		},
		{
			name:  "renewed some day of a year, within its term",
			given: during2023("2027"),
			want:  want{"2022-12-31": inForce, "2023-01-01": undetermined, "2023-12-30": undetermined, "2023-12-31": succeeded, "2027-06-01": succeeded},
		},
		{
			name:  "renewed some day of the year in which it ends",
			given: during2023("2023-06-30"),
			want:  want{"2022-12-31": inForce, "2023-01-01": undetermined, "2023-06-29": undetermined, "2023-06-30": abeyance, "2023-12-30": abeyance, "2023-12-31": succeeded},
		},
		{
			name: "a later label of the same site, from some day of a month",
			given: func(w *world) {
				w.grant("A", during(site(centre1, net1), "2017", "2027"))
				r := act(granted(during(site(centre1, net1), "2020-06", "2028")))
				w.append(w.recording(r))
			},
			want: want{"2020-05-31": inForce, "2020-06-01": undetermined, "2020-06-29": undetermined, "2020-06-30": succeeded},
		},
		{
			name: "a later cycle's label of the same site, nobody knows from when",
			given: func(w *world) {
				w.cycle("C", "2023-2028", "2023", "2028")
				w.grant("A", during(site(centre1, net1), "2017", "2026-01-01"))
				w.append(w.recording(act(granted(in(site(centre1, net1), "C")))))
			},
			want: want{"2022-12-31": inForce, "2023-01-01": undetermined, "2026-06-01": undetermined},
		},
	} {
		t.Run(c.name, c.run)
	}
}

// Across acts the later supersedes: of two labels of one holder at most one is in force.
func TestStatusOfTwoLabelsOfOneHolder(t *testing.T) {
	type on map[string][2]labellingv1.Status // of A, granted first, and of B
	for _, c := range []struct {
		name string
		a, b *labellingv1.Grant
		want on
	}{
		{
			name: "from the same day",
			a:    during(site(centre1, net1), "2017-05-09", "2022-05-09"), b: during(site(centre1, net1), "2017-05-09", "2022-05-09"),
			want: on{"2017-05-08": {planned, planned}, "2017-05-09": {succeeded, inForce}, "2020-01-01": {succeeded, inForce}, "2022-05-09": {succeeded, abeyance}},
		},
		{
			name: "from the same day, of a filière",
			a:    during(filiere(fil1), "2019-07-01", ""), b: during(filiere(fil1), "2019-07-01", "2023-07-01"),
			want: on{"2019-07-01": {succeeded, inForce}},
		},
		{
			name: "from the same year",
			a:    during(site(centre1, net1), "2017", "2022"), b: during(site(centre1, net1), "2017", "2022"),
			want: on{"2017-06-01": {undetermined, undetermined}, "2017-12-31": {succeeded, inForce}, "2020-01-01": {succeeded, inForce}},
		},
		{
			name: "from a day and its year",
			a:    during(site(centre1, net1), "2017-05-09", "2022"), b: during(site(centre1, net1), "2017", "2022"),
			want: on{"2017-06-01": {undetermined, undetermined}, "2017-12-31": {succeeded, inForce}},
		},
		{
			name: "from a year and a day of it",
			a:    during(site(centre1, net1), "2017", "2022"), b: during(site(centre1, net1), "2017-05-09", "2022"),
			want: on{"2017-05-08": {undetermined, planned}, "2017-05-09": {succeeded, inForce}, "2018-01-01": {succeeded, inForce}},
		},
		{
			name: "the later one recorded last",
			a:    during(site(centre1, net1), "2017-05-09", "2022-05-09"), b: during(site(centre1, net1), "2019-01-01", "2024-01-01"),
			want: on{"2018-12-31": {inForce, planned}, "2019-01-01": {succeeded, inForce}},
		},
		{
			name: "the later one recorded first",
			a:    during(site(centre1, net1), "2019-01-01", "2024-01-01"), b: during(site(centre1, net1), "2017-05-09", "2022-05-09"),
			want: on{"2018-12-31": {planned, inForce}, "2019-01-01": {inForce, succeeded}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			none := func(int) *eventv1.PersonalValue { return nil }
			ids := []string{"ACT1", "SITE", "A"}
			if c.a.GetSite() == nil {
				ids = []string{"ACT1", "A"}
			}
			w.append(RecordAct(w.s, w.topo, mints(ids...), act(granted(c.a)), none))
			r := act(granted(c.b))
			r.Title = "Arrêté suivant"
			before := w.at
			w.append(RecordAct(w.s, w.topo, mints("ACT2", "B"), r, none))
			for on, want := range c.want {
				for i, id := range []string{"A", "B"} {
					if got, _ := w.s.StatusAt(id, day(on), w.at, w.topo); got != want[i] {
						t.Errorf("%s on %s: %v, want %v", id, on, got, want[i])
					}
				}
				if got, _ := w.s.StatusAt("A", day(on), before, w.topo); got == succeeded {
					t.Errorf("A on %s, as known before B: %v", on, got)
				}
			}
		})
	}
}

// A label that goes on in another can be superseded before it does.
func TestStatusRenewedAndSuperseded(t *testing.T) {
	status{
		given: func(w *world) {
			given2017(w)
			w.renew("A", "B", during(site(centre2, net2), "2021-06-01", "2028"))
			w.append(w.recording(act(granted(during(site(centre1, net1), "2019-03-01", "2024")))))
		},
		want: want{"2019-02-28": inForce, "2019-03-01": succeeded, "2022-01-01": succeeded},
	}.run(t)
}

func TestStatusWhereAListFollows(t *testing.T) {
	for _, c := range []status{
		{
			name: "a partial list followed",
			given: func(w *world) {
				given2017(w)
				listing(w, "2023-12-26", &labellingv1.ScopeCell{Coverage: partial})
			},
			want: want{"2021-06-01": inForce, "2023-06-01": abeyance, "2023-12-25": abeyance, "2023-12-26": undetermined, "2024-06-01": undetermined},
		},
		{
			name: "a whole list followed",
			given: func(w *world) {
				given2017(w)
				listing(w, "2023-12-26", &labellingv1.ScopeCell{Coverage: complete})
			},
			want: want{"2021-06-01": inForce, "2023-06-01": abeyance, "2023-12-25": abeyance, "2023-12-26": expired, "2024-06-01": expired},
		},
		{
			name: "a whole list inside its term",
			given: func(w *world) {
				given2017(w)
				listing(w, "2019-01-01", &labellingv1.ScopeCell{Coverage: complete})
			},
			want: want{"2018-12-31": inForce, "2019-01-01": lapsed, "2022-06-01": lapsed, "2024-01-01": lapsed},
		},
		{
			name: "a whole list while it may have ended",
			given: func(w *world) {
				given2017(w)
				listing(w, "2022-06-01", &labellingv1.ScopeCell{Coverage: complete})
			},
			want: want{"2022-05-31": undetermined, "2022-06-01": undetermined, "2023-01-01": expired},
		},
		{
			name: "a whole list before it certainly began",
			given: func(w *world) {
				given2017(w)
				listing(w, "2017-08-08", &labellingv1.ScopeCell{Coverage: complete})
			},
			want: want{"2018-06-01": inForce, "2023-06-01": abeyance},
		},
		{
			name: "an act without a scope means nothing by what it leaves out",
			given: func(w *world) {
				given2017(w)
				listing(w, "2019-01-01")
			},
			want: want{"2019-01-01": inForce, "2023-06-01": abeyance},
		},
		{
			name: "a list names it: granted and confirmed by acts, left out of none since",
			given: func(w *world) {
				r := act(granted(during(site(centre1, net1), "2017-05-09", "2022")))
				r.EffectiveDate, r.Scope = "2017-08-08", []*labellingv1.ScopeCell{{Coverage: complete}}
				w.ids = 0
				w.append(RecordAct(w.s, w.topo, mints("ACT1", "SITE", "A"), r, func(int) *eventv1.PersonalValue { return nil }))
				r = act(confirmed("A"))
				r.Title, r.EffectiveDate, r.Scope = "Arrêté consolidé", "2017-11-25", []*labellingv1.ScopeCell{{Coverage: complete}}
				w.append(w.recording(r))
			},
			want: want{"2017-09-01": inForce, "2018-01-01": inForce, "2023-06-01": abeyance},
		},
		{
			name: "an erratum names what the list before left out",
			given: func(w *world) {
				given2017(w)
				listing(w, "2019-01-01", &labellingv1.ScopeCell{Coverage: complete})
				r := act(confirmed("A"))
				r.Title, r.EffectiveDate = "Erratum", "2019-04-01"
				w.append(w.recording(r))
			},
			want: want{"2019-01-01": lapsed, "2019-03-31": lapsed, "2019-04-01": inForce},
		},
		{
			name: "a partial list of its own cycle carries nothing beyond it",
			given: func(w *world) {
				w.cycle("C", "2017-2022", "2017", "2022")
				w.grant("A", in(during(site(centre1, net1), "2017-05-09", "2022"), "C"))
				r := act()
				r.EffectiveDate, r.CycleId, r.Scope = "2017-08-08", "C", []*labellingv1.ScopeCell{{Coverage: partial}}
				w.append(w.recording(r))
			},
			want: want{"2023-06-01": abeyance},
		},
		{
			name: "effect is publication, failing that signature",
			given: func(w *world) {
				given2017(w)
				r := act() // signed 2023-12-26
				r.Publications = []*labellingv1.Publication{{Date: "2024-01-31"}, {Date: "2023-12-29"}}
				r.Scope = []*labellingv1.ScopeCell{{Coverage: partial}}
				w.append(w.recording(r))
			},
			want: want{"2023-12-28": abeyance, "2023-12-29": undetermined},
		},
	} {
		t.Run(c.name, c.run)
	}
}

func TestStatusByTheScopeOfAList(t *testing.T) {
	for _, c := range []status{
		{
			name: "a list of another filière, of another role",
			given: func(w *world) {
				given2017(w)
				listing(w, "2023-12-26", &labellingv1.ScopeCell{FiliereId: fil2, Coverage: complete},
					&labellingv1.ScopeCell{FiliereId: fil1, Role: labellingv1.Role_ROLE_COMPETENCE, Coverage: complete})
			},
			want: want{"2024-06-01": abeyance},
		},
		{
			name: "a whole list of its filière and role among partial ones",
			given: func(w *world) {
				given2017(w)
				listing(w, "2023-12-26", &labellingv1.ScopeCell{FiliereId: fil1, Role: labellingv1.Role_ROLE_CONSTITUTIVE, Coverage: complete},
					&labellingv1.ScopeCell{FiliereId: fil1, Coverage: partial}, &labellingv1.ScopeCell{Coverage: partial})
			},
			want: want{"2024-06-01": expired},
		},
		{
			name: "a partial list of its role within a whole one",
			given: func(w *world) {
				given2017(w)
				listing(w, "2023-12-26", &labellingv1.ScopeCell{Role: labellingv1.Role_ROLE_CONSTITUTIVE, Coverage: partial}, &labellingv1.ScopeCell{Coverage: complete})
			},
			want: want{"2024-06-01": undetermined},
		},
		{
			name: "a reference centre is a coordinator or a constitutive one: one list is not enough",
			given: func(w *world) {
				w.grant("A", as(during(site(centre1, net1), "2017", "2022"), labellingv1.Role_ROLE_REFERENCE))
				listing(w, "2023-12-26", &labellingv1.ScopeCell{Role: labellingv1.Role_ROLE_CONSTITUTIVE, Coverage: complete})
			},
			want: want{"2024-06-01": undetermined},
		},
		{
			name: "a reference centre left out of both lists",
			given: func(w *world) {
				w.grant("A", as(during(site(centre1, net1), "2017", "2022"), labellingv1.Role_ROLE_REFERENCE))
				listing(w, "2023-12-26", &labellingv1.ScopeCell{Role: labellingv1.Role_ROLE_CONSTITUTIVE, Coverage: complete},
					&labellingv1.ScopeCell{Role: labellingv1.Role_ROLE_COORDINATOR, Coverage: complete})
			},
			want: want{"2024-06-01": expired},
		},
		{
			name: "no list of a filière is about a platform",
			given: func(w *world) {
				w.grant("A", during(platform(pemr, labellingv1.Role_ROLE_PEMR), "2017", "2022"))
				listing(w, "2023-12-26", &labellingv1.ScopeCell{FiliereId: fil1, Coverage: complete})
			},
			want: want{"2024-06-01": abeyance},
		},
	} {
		t.Run(c.name, c.run)
	}
}

// Labels of filières and platforms come by acts of their own: what a list says of all
// roles is not about them, unless a cell or a line of it names theirs.
func TestStatusBesideAListOfCentres(t *testing.T) {
	everyone := &labellingv1.ScopeCell{Coverage: complete}
	ofFiliere := &labellingv1.ScopeCell{FiliereId: fil1, Coverage: complete}
	ofCycle := &labellingv1.ScopeCell{CycleId: "C", Coverage: complete}
	const fsmr, pemrRole = labellingv1.Role_ROLE_FSMR, labellingv1.Role_ROLE_PEMR
	list := func(cells []*labellingv1.ScopeCell, lines ...*labellingv1.ActLine) func(*world) {
		return func(w *world) {
			w.cycle("C", "2017-2022", "2017", "2022")
			w.grant("A", in(during(filiere(fil1), "2017", "2022"), "C"))
			r := act(lines...)
			r.EffectiveDate, r.Scope = "2023-12-26", cells
			w.append(w.recording(r))
		}
	}
	line := granted(during(site(centre1, net1), "2023-12-26", "2028-12-26"))
	for _, c := range []status{
		{name: "of centres", given: list([]*labellingv1.ScopeCell{everyone}, line), want: want{"2024-06-01": abeyance}},
		{name: "of centres, by filière", given: list([]*labellingv1.ScopeCell{ofFiliere}, line), want: want{"2024-06-01": abeyance}},
		{name: "of centres, by cycle", given: list([]*labellingv1.ScopeCell{everyone, ofCycle}), want: want{"2024-06-01": abeyance}},
		{name: "of centres, held in part", given: list([]*labellingv1.ScopeCell{{Coverage: partial}}), want: want{"2024-06-01": abeyance}},
		{name: "of platforms too", given: list([]*labellingv1.ScopeCell{everyone, {Role: pemrRole, Coverage: partial}}), want: want{"2024-06-01": abeyance}},
		{name: "a cell names the role", given: list([]*labellingv1.ScopeCell{everyone, {Role: fsmr, FiliereId: fil2, Coverage: complete}}), want: want{"2024-06-01": expired}},
		{name: "a line names the role", given: list([]*labellingv1.ScopeCell{everyone}, granted(during(filiere(fil2), "2023-12-26", "2028-12-26"))), want: want{"2024-06-01": expired}},
		{name: "a line is about a label of the role", given: func(w *world) {
			w.grant("B", during(filiere(fil2), "2022-01-01", "2027-01-01"))
			list([]*labellingv1.ScopeCell{ofFiliere}, confirmed("B"))(w)
		}, want: want{"2024-06-01": expired}},
	} {
		t.Run(c.name, c.run)
	}
}

func mints(ids ...string) func() string {
	return func() string {
		id := ids[0]
		ids = ids[1:]
		return id
	}
}

// What is recorded later does not count for whoever asks as known before.
func TestStatusAtKnown(t *testing.T) {
	w := newWorld(t)
	status := func(on string, known uint64) labellingv1.Status {
		got, _ := w.s.StatusAt("A", day(on), known, w.topo)
		return got
	}
	if _, ok := w.s.StatusAt("A", day("2018-01-01"), w.at, w.topo); ok {
		t.Error("a label nobody granted has a status")
	}
	before := w.at
	given2017(w)
	if _, ok := w.s.StatusAt("A", day("2018-01-01"), before, w.topo); ok {
		t.Error("a label has a status as known before its grant")
	}
	before = w.at
	r := act()
	r.Scope = []*labellingv1.ScopeCell{{Coverage: labellingv1.Coverage_COVERAGE_PARTIAL}}
	w.append(w.recording(r))
	if got := status("2024-06-01", before); got != labellingv1.Status_STATUS_IN_ABEYANCE {
		t.Errorf("as known before the list: %v", got)
	}
	if got := status("2024-06-01", w.at); got != labellingv1.Status_STATUS_UNDETERMINED {
		t.Errorf("as known after the list: %v", got)
	}
	before = w.at
	w.renew("A", "B", during(site(centre1, net2), "2023-12-29", ""))
	if got := status("2024-06-01", before); got != labellingv1.Status_STATUS_UNDETERMINED {
		t.Errorf("as known before the renewal: %v", got)
	}
	if got := status("2024-06-01", w.at); got != labellingv1.Status_STATUS_SUPERSEDED {
		t.Errorf("as known after the renewal: %v", got)
	}
	w.s.Rollback(before)
	if got := status("2024-06-01", w.at); got != labellingv1.Status_STATUS_UNDETERMINED {
		t.Errorf("after the renewal is rolled back: %v", got)
	}
}

// A list about a filière does not say whether it is about a network whose filière
// nobody knows.
func TestStatusAtUnplaced(t *testing.T) {
	w := newWorld(t)
	given2017(w)
	r := act()
	r.Scope = []*labellingv1.ScopeCell{{FiliereId: fil2, Coverage: labellingv1.Coverage_COVERAGE_COMPLETE}}
	w.append(w.recording(r))
	for topo, want := range map[*topology.State]labellingv1.Status{
		w.topo: labellingv1.Status_STATUS_IN_ABEYANCE,
		nil:    labellingv1.Status_STATUS_UNDETERMINED,
	} {
		if got, _ := w.s.StatusAt("A", day("2024-06-01"), w.at, topo); got != want {
			t.Errorf("status is %v, want %v", got, want)
		}
	}
}

// What was known of an act that was cited says nothing more once its list is read, and
// still does as known before.
func TestTheListOfACitedAct(t *testing.T) {
	w := newWorld(t)
	given2017(w)
	w.append(recordingWith(func(r *labellingv1.RecordActRequest) {
		r.Scope = []*labellingv1.ScopeCell{{Coverage: labellingv1.Coverage_COVERAGE_PARTIAL}}
	})(w))
	cited := w.at
	list := recordingWith(func(r *labellingv1.RecordActRequest) {
		r.Scope = []*labellingv1.ScopeCell{{Role: labellingv1.Role_ROLE_FSMR, Coverage: labellingv1.Coverage_COVERAGE_COMPLETE}}
	}, granted(filiere(fil1)))
	check := func(want labellingv1.Status, known uint64) {
		t.Helper()
		if got, _ := w.s.StatusAt("A", day("2024-01-01"), known, w.topo); got != want {
			t.Errorf("at %d the label is %v, want %v", known, got, want)
		}
	}
	for range 2 {
		check(labellingv1.Status_STATUS_UNDETERMINED, bitemporal.Latest)
		w.append(list(w))
		check(labellingv1.Status_STATUS_IN_ABEYANCE, w.at)
		check(labellingv1.Status_STATUS_UNDETERMINED, cited)
		w.s.Rollback(cited)
		w.at = cited
	}
}
