package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// writeMemo writes what an act changed, by kind of effect, for people.
func writeMemo(w io.Writer, r *registryv1.ListActEffectsResponse) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Ce que change l'acte : %s\n\n", cmp.Or(r.GetAct().GetTitle(), r.GetAct().GetActId()))
	fmt.Fprintf(&b, "%s.\n\n", moment(r.GetResolved()))
	for _, kind := range dispositionWords {
		var of []*registryv1.ActEffect
		for _, e := range r.GetEffects() {
			if e.GetDisposition() == kind.value {
				of = append(of, e)
			}
		}
		if len(of) == 0 {
			continue
		}
		fmt.Fprintf(&b, "## %s : %s\n\n", kind.french, counted(len(of), "label(s)"))
		if kind.value == labellingv1.Disposition_DISPOSITION_CONFIRMED {
			b.WriteString("Rien n'y change.\n\n")
			continue
		}
		for _, e := range of {
			fmt.Fprintf(&b, "- %s", labelText(e.GetEntry()))
			if text := changesText(e.GetChanges()); text != "" {
				fmt.Fprintf(&b, " (%s)", text)
			}
			b.WriteByte('\n')
		}
		b.WriteByte('\n')
	}
	writeUnsaid(&b, r)
	if facts := r.GetTopology(); len(facts) > 0 {
		fmt.Fprintf(&b, "## Topologie : %s\n\n", counted(len(facts), "changement(s)"))
		known := namesIn(r)
		for _, f := range facts {
			fmt.Fprintf(&b, "- %s\n", known.topology(f))
		}
		b.WriteByte('\n')
	}
	for _, t := range r.GetTotals() {
		here := "unité non comprise"
		if t.Counted != nil {
			here = counted(t.GetCounted(), "compté(s)")
		}
		fmt.Fprintf(&b, "Annoncé : %d %s ; %s.\n", t.GetAnnounced(), t.GetUnit(), here)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// labelText is a label in a line: its network, where it is, its role.
func labelText(e *registryv1.LabelEntry) string {
	return joined(", ", cmp.Or(e.GetNetworkAcronym(), e.GetNetworkTitle(), e.GetHolderName()),
		strings.Join(e.GetEstablishmentNames(), " et "), e.GetCity(), inFrench(roleWords, e.GetLabel().GetRole()))
}

// writeUnsaid writes what an act leaves open: lines of which nobody knew the label, and
// labels that its list may have left out or not.
func writeUnsaid(b *strings.Builder, r *registryv1.ListActEffectsResponse) {
	if lines := r.GetUndetermined(); len(lines) > 0 {
		fmt.Fprintf(b, "## Indéterminé : %s\n\nNi nouveau, ni perdu : aucun label du registre n'y correspond avec certitude.\n\n", counted(len(lines), "ligne(s)"))
		for _, a := range lines {
			fmt.Fprintf(b, "- ligne %s : %s", numberOf(a), a.GetValue())
			if a.GetSettlement() != labellingv1.Settlement_SETTLEMENT_UNSPECIFIED {
				fmt.Fprintf(b, " (réglé : %s)", joined(" ", inFrench(settlementWords, a.GetSettlement()), a.GetSettledLabelId()))
			}
			b.WriteByte('\n')
		}
		b.WriteByte('\n')
	}
	if labels := r.GetToDecide(); len(labels) > 0 {
		fmt.Fprintf(b, "## Hors filière, à décider : %s\n\nL'acte ne les reprend pas, et rien ne dit s'il les écarte.\n\n", counted(len(labels), "label(s)"))
		for _, e := range labels {
			fmt.Fprintf(b, "- %s\n", labelText(e))
		}
		b.WriteByte('\n')
	}
}

// called is the names of networks, centres, hospitals and filières by id, as far as what an act
// did tells them.
type called map[string]string

func namesIn(r *registryv1.ListActEffectsResponse) called {
	n := called{}
	for _, e := range r.GetEffects() {
		entry, site := e.GetEntry(), e.GetEntry().GetLabel().GetHolder().GetSite()
		n[site.GetNetworkId()] = cmp.Or(entry.GetNetworkAcronym(), entry.GetNetworkTitle())
		n[site.GetCentreId()] = joined(", ", strings.Join(entry.GetEstablishmentNames(), " et "), entry.GetCity())
		n[entry.GetFiliereId()] = entry.GetFiliereAcronym()
	}
	for _, f := range r.GetTopology() {
		switch t := f.GetTopology().GetFact().(type) {
		case *topologyv1.Event_EstablishmentRegistered:
			n[t.EstablishmentRegistered.GetEstablishmentId()] = joined(", ", t.EstablishmentRegistered.GetName(), t.EstablishmentRegistered.GetPlace().GetCity())
		case *topologyv1.Event_NetworkRegistered:
			n[t.NetworkRegistered.GetNetworkId()] = joined(" - ", t.NetworkRegistered.GetAcronym(), t.NetworkRegistered.GetTitle())
		}
	}
	return n
}

func (n called) of(ids ...string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = cmp.Or(n[id], id)
	}
	return strings.Join(out, " et ")
}

// topology is what an act did to what is labelled, in a line.
func (n called) topology(f *registryv1.Fact) string {
	switch t := f.GetTopology().GetFact().(type) {
	case *topologyv1.Event_EstablishmentRegistered:
		return "établissement créé : " + n.of(t.EstablishmentRegistered.GetEstablishmentId())
	case *topologyv1.Event_NetworkRegistered:
		return "réseau créé : " + n.of(t.NetworkRegistered.GetNetworkId())
	case *topologyv1.Event_NetworkRenamed:
		text := "réseau renommé : " + joined(" - ", t.NetworkRenamed.GetAcronym(), t.NetworkRenamed.GetTitle())
		return joined(" ; ", text, changesText(f.GetChanges()))
	case *topologyv1.Event_NetworkAttached:
		return "réseau qui change de filière : " + n.of(t.NetworkAttached.GetNetworkId()) + " → " + n.of(t.NetworkAttached.GetFiliereId())
	case *topologyv1.Event_NetworkSucceeded:
		return "réseau qui prend la suite : " + n.of(t.NetworkSucceeded.GetPredecessorIds()...) + " → " + n.of(t.NetworkSucceeded.GetSuccessorIds()...)
	case *topologyv1.Event_CentreRegistered:
		c := t.CentreRegistered
		place := cmp.Or(n[c.GetCentreId()], joined(", ", n.of(c.GetEstablishmentIds()...), c.GetPlace().GetCity()))
		return "centre créé : " + joined(", ", c.GetName(), place)
	case *topologyv1.Event_CentreAttached:
		hospital := n[t.CentreAttached.GetEstablishmentId()] // else it stands with the centre already
		return "centre rattaché à un établissement : " + joined(" → ", n.of(t.CentreAttached.GetCentreId()), hospital)
	case *topologyv1.Event_CentreMoved:
		return "centre déplacé : " + joined(", ", n.of(t.CentreMoved.GetEstablishmentIds()...), t.CentreMoved.GetPlace().GetCity())
	case *topologyv1.Event_CentreSucceeded:
		return "centre qui prend la suite : " + n.of(t.CentreSucceeded.GetPredecessorIds()...) + " → " + n.of(t.CentreSucceeded.GetSuccessorIds()...)
	case *topologyv1.Event_LinkDeclared:
		l := t.LinkDeclared
		ends := n.of(l.GetFromId()) + " → " + cmp.Or(l.GetCode(), n.of(l.GetToId()))
		if id := l.GetNetworkId(); id != "" {
			ends += " (" + n.of(id) + ")"
		}
		return "lien « " + inFrench(linkWords, l.GetKind()) + " » : " + joined(", ", ends, prefixed("à compter du ", frDate(l.GetPeriod().GetStart())))
	case *topologyv1.Event_LinkEnded:
		return "lien qui prend fin : " + joined(", ", t.LinkEnded.GetLinkId(), prefixed("à compter du ", frDate(t.LinkEnded.GetEnd())))
	}
	name, content := factOf(f)
	return joined(" : ", name, content)
}
