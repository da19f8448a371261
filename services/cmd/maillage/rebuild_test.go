package main

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

func TestReadModelIsTold(t *testing.T) {
	copying := &registryv1.Rebuild{
		Schema: "maillage_2", TargetPosition: 1200, Phase: registryv1.RebuildPhase_REBUILD_PHASE_COPYING,
		DoneCount: 345000, TotalCount: 1200000, Rate: 54000.4, Left: durationpb.New(75 * time.Second),
	}
	for name, c := range map[string]struct {
		m    *registryv1.GetReadModelResponse
		want string
	}{
		"in order": {
			&registryv1.GetReadModelResponse{Schema: "maillage_1", Position: 12, HeadPosition: 12, Projects: true},
			"Schéma lu : maillage_1, à la position 12.\n",
		},
		"waits behind another": {
			&registryv1.GetReadModelResponse{Schema: "maillage_1", Position: 12, HeadPosition: 15},
			"Schéma lu : maillage_1, à la position 12, en retard de 3.\nUn autre processus tient les tables ; celui-ci prendra sa place.\n",
		},
		"first": {
			&registryv1.GetReadModelResponse{Projects: true, Rebuild: copying},
			"Aucun schéma n'est encore lu.\nReconstruction : maillage_2, à la position 1200 : copie, 345 000 lignes sur 1 200 000 (28 %), 54 000 par seconde, encore 1 min 15 s.\n",
		},
		"halted": {
			&registryv1.GetReadModelResponse{
				Schema: "maillage_2", Position: 7, HeadPosition: 9, Halted: &registryv1.ReadModelFault{Reason: "LOG_DAMAGED", Message: "hole", Position: 8},
				KeptSchemas: []string{"maillage_1"},
			},
			"Schéma lu : maillage_2, à la position 7, en retard de 2.\n" +
				"ARRÊTÉ : l'historique est endommagé : le registre s'arrête, prévenez l'exploitant (position 8) [hole]\n" +
				"Gardé : maillage_1 (« maillage rebuild --drop maillage_1 » le supprime).\n",
		},
	} {
		var out bytes.Buffer
		if err := (&app{stdout: &out}).tellReadModel(c.m); err != nil || out.String() != c.want {
			t.Errorf("%s is told as\n%s(%v), want\n%s", name, out.String(), err, c.want)
		}
	}
}

// What differs from the log is damage; what was told to stop, or fails, is not.
func TestRebuildStopped(t *testing.T) {
	for reason, want := range map[string]int{"": exitFailed, "READ_MODEL_UNAVAILABLE": exitFailed, "READ_MODEL_DIFFERS": exitDamage} {
		r := &registryv1.Rebuild{}
		if reason != "" {
			r.Failed = &registryv1.ReadModelFault{Reason: reason, Message: "label 0123456789"}
		}
		if text, code := (&app{}).explain(stopped(r)); code != want {
			t.Errorf("%q ends with %d (%s), want %d", reason, code, text, want)
		}
	}
	if _, code := (&app{}).explain(errors.Join(nil, errUnwatched)); code != exitFailed {
		t.Errorf("not watched to its end: %d", code)
	}
}
