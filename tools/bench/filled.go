package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog/jetstream"
	"maillage/services/ledger"
)

// What a made-up log holds: a cycle, a filière and networks, then groups of events. A group
// is centres, labels on them, and repeals of some of these, each of which ends one version of
// a label and begins another: 16 versions of labels for 19 events.
const (
	firstNetwork = 4
	networks     = 2000
	own          = 8 // positions that a register may take when it first runs
	firstGroup   = firstNetwork + networks + own
	groupCentres = 3
	groupLabels  = 12
	groupRepeals = 4
	group        = groupCentres + groupLabels + groupRepeals
)

// mint is an id as the register mints them, apart from all others of its kind.
func mint(kind byte, n int) string {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	x := uint64(n+1) * 0x9e3779b97f4a7c15
	id := []byte{kind}
	for range 9 {
		id = append(id, digits[x>>59])
		x <<= 5
	}
	return string(id)
}

// eventOf is what the made-up log holds at a position.
func eventOf(p int, meta *eventv1.Meta) (subject string, m proto.Message) {
	switch {
	case p == 2:
		id := mint('Y', 0)
		return "labelling.cycle." + id, &labellingv1.Event{Meta: meta, Fact: &labellingv1.Event_CycleRegistered{CycleRegistered: &labellingv1.CycleRegistered{
			CycleId: id, Code: "bench", Period: &eventv1.Period{Start: "2023", End: "2028"},
		}}}
	case p == 3:
		id := mint('F', 0)
		return "topology.filiere." + id, &topologyv1.Event{Meta: meta, Fact: &topologyv1.Event_FiliereRegistered{FiliereRegistered: &topologyv1.FiliereRegistered{
			FiliereId: id, ValidFrom: "2014", Acronym: "BenchFIL", Name: "Filière de mesure",
		}}}
	case p < firstGroup:
		id := mint('N', p-firstNetwork)
		return "topology.network." + id, &topologyv1.Event{Meta: meta, Fact: &topologyv1.Event_NetworkRegistered{NetworkRegistered: &topologyv1.NetworkRegistered{
			NetworkId: id, ValidFrom: "2014", Title: "Réseau " + id, Acronym: id, FiliereId: mint('F', 0),
		}}}
	}
	n, k := (p-firstGroup)/group, (p-firstGroup)%group
	if k < groupCentres {
		id := mint('C', n*groupCentres+k)
		return "topology.centre." + id, &topologyv1.Event{Meta: meta, Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{
			CentreId: id, ValidFrom: "2014", Name: "Service de génétique médicale", Population: topologyv1.Population_POPULATION_CHILD,
			Place: &topologyv1.Place{City: "Saint-Étienne", DepartmentCode: "42"},
		}}}
	}
	if k < groupCentres+groupLabels {
		label := n*groupLabels + k - groupCentres
		id := mint('B', label)
		return "labelling.label." + id, &labellingv1.Event{Meta: meta, Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
			LabelId: id, Role: labellingv1.Role_ROLE_COMPETENCE, CycleId: mint('Y', 0), Period: &eventv1.Period{Start: "2023", End: "2028"},
			Holder: &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{
				SiteId: mint('S', label), CentreId: mint('C', n*groupCentres+label%groupCentres), NetworkId: mint('N', label%networks),
			}}},
		}}}
	}
	id := mint('B', n*groupLabels+k-groupCentres-groupLabels)
	return "labelling.label." + id, &labellingv1.Event{Meta: meta, Fact: &labellingv1.Event_LabelRepealed{LabelRepealed: &labellingv1.LabelRepealed{
		LabelId: id, RepealedFrom: "2024-05-01",
	}}}
}

// grantOf is the position at which a label of the made-up log is granted, and labelsUpTo how
// many labels it has up to a position, in whole groups.
func grantOf(label int) uint64 {
	return uint64(firstGroup + label/groupLabels*group + groupCentres + label%groupLabels)
}

func labelsUpTo(p int) int { return max(0, (p-firstGroup)/group) * groupLabels }

// grow brings the made-up log of a register that does not run to a position. What the
// register wrote of its own stays, and must lie before the first group.
func grow(ctx context.Context, data string, to int) error {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	server, err := jetstream.StartServer(ctx, jetstream.Options{Dir: filepath.Join(data, "nats"), Logger: quiet})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	log, err := server.Open(ctx)
	if err != nil {
		return err
	}
	defer log.Close()
	store, err := ledger.Open(filepath.Join(data, "ledger"), "")
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	if err := fill(ctx, log, store, int(store.Head().Size), to, eventOf); err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	return nil
}
