package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/fault"
)

// RebuildCmd fills the tables of PostgreSQL anew, and tells of them.
type RebuildCmd struct {
	Client
	Status bool   `xor:"what" help:"Dire seulement où en sont les tables."`
	Stop   bool   `xor:"what" help:"Arrêter la reconstruction ; elle reprendra où elle en est."`
	Drop   string `xor:"what" placeholder:"SCHÉMA" help:"Supprimer un schéma gardé après avoir été remplacé."`
}

const (
	watchPause = 500 * time.Millisecond // between two looks at a rebuild
	tellPause  = 10 * time.Second       // between two lines about the same phase
	stopPause  = 5 * time.Second        // for one that was stopped to be told of as going on
)

// Run implements the verb. Interrupted, it only stops watching.
func (c *RebuildCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		client := registryv1.NewReadModelServiceClient(conn)
		switch {
		case c.Stop:
			r, err := client.StopRebuild(ctx, &registryv1.StopRebuildRequest{})
			return a.ordered(r, err, "La reconstruction s'arrête : « maillage rebuild » la reprendra où elle en est.")
		case c.Drop != "":
			r, err := client.DropReadModel(ctx, &registryv1.DropReadModelRequest{Schema: c.Drop})
			return a.ordered(r, err, "Schéma supprimé : "+c.Drop+".")
		case c.Status:
			m, err := client.GetReadModel(ctx, &registryv1.GetReadModelRequest{})
			if err != nil {
				return err
			}
			return a.tellReadModel(m)
		}
		return a.rebuild(ctx, client)
	})
}

// ordered tells of an order that was taken, or not.
func (a *app) ordered(answer proto.Message, err error, text string) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(answer)
	}
	_, err = fmt.Fprintln(a.stdout, harmless(text))
	return err
}

// rebuild starts a rebuild, or goes on with one, and tells of it until it ends.
func (a *app) rebuild(ctx context.Context, client registryv1.ReadModelServiceClient) error {
	before, err := client.GetReadModel(ctx, &registryv1.GetReadModelRequest{})
	if err != nil {
		return err
	}
	if _, err := client.StartRebuild(ctx, &registryv1.StartRebuildRequest{}); err != nil {
		return err
	}
	look := time.NewTicker(watchPause)
	defer look.Stop()
	w := newWatch(a)
	defer w.end()
	began := time.Now()
	for seen := false; ; {
		m, err := client.GetReadModel(ctx, &registryv1.GetReadModelRequest{})
		if ctx.Err() != nil {
			w.end()
			return errUnwatched
		}
		if err != nil {
			return err
		}
		r := m.GetRebuild()
		switch {
		case r == nil && (seen || m.GetSchema() != before.GetSchema()):
			w.end()
			return errors.Join(a.tellReadModel(m), taken(before, m))
		case r.GetPhase() == registryv1.RebuildPhase_REBUILD_PHASE_STOPPED && !seen && time.Since(began) < stopPause:
			// it is told of as it was before
		case r != nil:
			seen = true
			if err := w.tell(m); err != nil {
				return err
			}
			if r.GetPhase() == registryv1.RebuildPhase_REBUILD_PHASE_STOPPED {
				w.end()
				return stopped(r)
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
}

var errUnwatched = errors.New("la reconstruction continue sans être suivie : « maillage rebuild --status » dit où elle en est, « maillage rebuild --stop » l'arrête")

// taken is nil where another schema is read than before.
func taken(before, now *registryv1.GetReadModelResponse) error {
	if now.GetSchema() == before.GetSchema() {
		return errors.New("la reconstruction a cessé, et c'est toujours le même schéma qui est lu")
	}
	return nil
}

// stopped is why a rebuild goes on no longer.
func stopped(r *registryv1.Rebuild) error {
	failed := r.GetFailed()
	switch {
	case failed == nil:
		return errors.New("la reconstruction a été arrêtée : « maillage rebuild » la reprend où elle en est")
	case failed.GetReason() == "READ_MODEL_DIFFERS":
		return fault.New(fault.Damaged, failed.GetReason(), "", "%s", failed.GetMessage())
	}
	return errors.New("la reconstruction a échoué : " + faultText(failed) + " ; « maillage rebuild » la reprend où elle en est")
}

// faultText is a fault in French, with the words of the register behind.
func faultText(f *registryv1.ReadModelFault) string {
	text := reasons[f.GetReason()]
	if f.GetPosition() > 0 {
		text += fmt.Sprintf(" (position %d)", f.GetPosition())
	}
	return strings.TrimSpace(text + prefixed(" ", "["+f.GetMessage()+"]"))
}

// watch tells of a rebuild: on a terminal in one line that changes, else in one for each
// phase and now and then; as JSON each look.
type watch struct {
	a     *app
	line  bool // drawn over
	drawn bool
	phase registryv1.RebuildPhase
	told  time.Time
}

func newWatch(a *app) *watch {
	f, is := a.stdout.(*os.File)
	return &watch{a: a, line: is && term.IsTerminal(int(f.Fd()))}
}

func (w *watch) tell(m *registryv1.GetReadModelResponse) error {
	r := m.GetRebuild()
	if w.a.json {
		return w.a.printJSON(m)
	}
	if w.line {
		w.drawn = true
		_, err := fmt.Fprintf(w.a.stdout, "\r\033[K%s", rebuildText(r))
		return err
	}
	if r.GetPhase() == w.phase && time.Since(w.told) < tellPause {
		return nil
	}
	w.phase, w.told = r.GetPhase(), time.Now()
	_, err := fmt.Fprintln(w.a.stdout, rebuildText(r))
	return err
}

// end leaves the line.
func (w *watch) end() {
	if w.drawn {
		w.drawn = false
		fmt.Fprintln(w.a.stdout)
	}
}

var phaseWords = map[registryv1.RebuildPhase]string{
	registryv1.RebuildPhase_REBUILD_PHASE_UNSPECIFIED: "en attente",
	registryv1.RebuildPhase_REBUILD_PHASE_COPYING:     "copie",
	registryv1.RebuildPhase_REBUILD_PHASE_INDEXING:    "index",
	registryv1.RebuildPhase_REBUILD_PHASE_CATCHING_UP: "rattrapage",
	registryv1.RebuildPhase_REBUILD_PHASE_COMPARING:   "comparaison des empreintes",
	registryv1.RebuildPhase_REBUILD_PHASE_STOPPED:     "arrêtée",
}

// rebuildText is how far a rebuild has come, in a line.
func rebuildText(r *registryv1.Rebuild) string {
	parts := []string{fmt.Sprintf("%s, à la position %d : %s", r.GetSchema(), r.GetTargetPosition(), phaseWords[r.GetPhase()])}
	if r.GetTotalCount() > 0 {
		parts = append(parts, fmt.Sprintf("%s lignes sur %s (%d %%)", grouped(fmt.Sprint(r.GetDoneCount())), grouped(fmt.Sprint(r.GetTotalCount())), 100*r.GetDoneCount()/r.GetTotalCount()))
	}
	if r.GetRate() > 0 && r.GetPhase() == registryv1.RebuildPhase_REBUILD_PHASE_COPYING {
		parts = append(parts, grouped(fmt.Sprint(uint64(r.GetRate())))+" par seconde")
	}
	if left := r.GetLeft(); left != nil && r.GetPhase() != registryv1.RebuildPhase_REBUILD_PHASE_STOPPED {
		parts = append(parts, "encore "+durationText(left.AsDuration()))
	}
	return strings.Join(parts, ", ")
}

// durationText is a time to wait.
func durationText(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

// tellReadModel tells what is read, and of a rebuild.
func (a *app) tellReadModel(m *registryv1.GetReadModelResponse) error {
	if a.json {
		return a.printJSON(m)
	}
	var b strings.Builder
	if m.GetSchema() == "" {
		b.WriteString("Aucun schéma n'est encore lu.\n")
	} else {
		fmt.Fprintf(&b, "Schéma lu : %s, à la position %d", m.GetSchema(), m.GetPosition())
		if lag := m.GetHeadPosition() - m.GetPosition(); lag > 0 {
			fmt.Fprintf(&b, ", en retard de %d", lag)
		}
		b.WriteString(".\n")
	}
	switch {
	case m.GetHalted() != nil:
		fmt.Fprintf(&b, "ARRÊTÉ : %s\n", faultText(m.GetHalted()))
	case !m.GetProjects():
		b.WriteString("Un autre processus tient les tables ; celui-ci prendra sa place.\n")
	}
	if r := m.GetRebuild(); r != nil {
		fmt.Fprintf(&b, "Reconstruction : %s.\n", rebuildText(r))
		if r.GetFailed() != nil {
			fmt.Fprintf(&b, "Elle a échoué : %s\n", faultText(r.GetFailed()))
		}
	}
	for _, kept := range m.GetKeptSchemas() {
		fmt.Fprintf(&b, "Gardé : %s (« maillage rebuild --drop %s » le supprime).\n", kept, kept)
	}
	_, err := fmt.Fprint(a.stdout, harmless(b.String()))
	return err
}
