package query_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/identifier"
)

// spelled is a register of names that are easily misspelled.
func spelled(tb testing.TB) *world {
	w := newWorld(tb)
	w.commit(
		establishment("ENECKER000", "", "AP-HP Hôpital Necker–Enfants malades", "750000001", "Paris", "75"),
		establishment("EBERARD000", "", "Centre Léon Bérard", "690000001", "Lyon", "69"),
		establishment("ENANCY0000", "", "CHRU de Nancy", "540000001", "Vandœuvre-lès-Nancy", "54"),
		establishment("ELATER0000", "2027-01-01", "Hôpital Lariboisière", "750000002", "Paris", "75"),
		filiere("FFILNEMUS0", "", "FILNEMUS", "Maladies neuromusculaires", ""),
		network("NDUCHENNE0", "", "Myopathie de Duchenne", "DMD", "FFILNEMUS0"),
		network("NBERARDI00", "", "Maladie de Bérardi", "", ""),
		network("NBERARD000", "", "Syndrome de Bérard", "", ""),
		network("NSARCOME00", "", "Sarcomes de l’enfant", "", ""),
		centre("CNECKER000", "ENECKER000"), centre("CBERARD000", "EBERARD000"), centre("CNANCY0000", "ENANCY0000"),
		act("A000000001", "Arrêté du 22 décembre 2023 portant labellisation", "SPRZ2330487A"),
	)
	w.commit(
		granted("LNECKER000", site("SNECKER000", "CNECKER000", "NDUCHENNE0"), coordinator, "", "2024-01-01", "2029-01-01"),
		granted("LBERARD000", site("SBERARD000", "CBERARD000", "NSARCOME00"), competence, "", "2024-01-01", "2029-01-01"),
		link("K000000001", topologyv1.LinkKind_LINK_KIND_COLLABORATES, "CNANCY0000", "NSARCOME00", "", "2024-01-01", ""),
	)
	return w
}

func TestSearchForgives(t *testing.T) {
	q, ctx := spelled(t).queries(), t.Context()
	labels := func(req *registryv1.ListLabelsRequest) func() ([]string, error) {
		return func() ([]string, error) {
			r, err := q.ListLabels(ctx, req)
			return ids(r.GetEntries()), err
		}
	}
	of := func(text string) func() ([]string, error) { return labels(&registryv1.ListLabelsRequest{Text: text}) }
	centres := func(all []*registryv1.MapCentre) []string {
		return names(all, func(i int) string { return all[i].GetCentreId() })
	}
	for name, test := range map[string]struct {
		find func() ([]string, error)
		then string
	}{
		"accents, case, hyphens and apostrophes": {of("NECKER enfants-malades l'hopital"), "LNECKER000"},
		"another apostrophe":                     {of("sarcomes de l'enfant"), "LBERARD000"},
		"a letter left out":                      {of("hopital neker"), "LNECKER000"},
		"a letter too many":                      {of("leon berrard"), "LBERARD000"},
		"a letter not doubled":                   {of("duchene"), "LNECKER000"},
		"two letters exchanged":                  {of("sarcoems"), "LBERARD000"},
		"words written as one":                   {of("leonberard"), "LBERARD000"},
		"one word right, one wrong":              {of("duchene necker"), "LNECKER000"},
		"both wrong":                             {of("duchene neker"), "LNECKER000"},
		"both wrong, of two labels":              {of("duchene berrard"), ""},
		"what is written right is not forgiven":  {of("duchenne bérard"), ""},
		"nor what another filter leaves out": {
			labels(&registryv1.ListLabelsRequest{Text: "necker", Roles: []labellingv1.Role{competence}}), "",
		},
		"nor a misspelling of that": {
			labels(&registryv1.ListLabelsRequest{Text: "neker", Roles: []labellingv1.Role{competence}}), "",
		},
		"within a filière": {labels(&registryv1.ListLabelsRequest{Text: "duchene", Filiere: "FILNEMUS"}), "LNECKER000"},
		"what is meant is in another network": {
			labels(&registryv1.ListLabelsRequest{Text: "neker", Network: "Sarcomes de l'enfant"}), "",
		},
		"nor what only collaborates":  {of("nancy"), ""},
		"nothing is like it":          {of("xylophone"), ""},
		"three letters must be right": {of("lyn"), ""},
		"digits must be right":        {of("750000003"), ""},
		"a ligature": {func() ([]string, error) {
			r, err := q.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{Text: "vandoeuvre les nancy"})
			return names(r.GetEstablishments(), func(i int) string { return r.GetEstablishments()[i].GetEstablishmentId() }), err
		}, "ENANCY0000"},
		"a town": {func() ([]string, error) {
			r, err := q.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{Text: "vandeuvre"})
			return names(r.GetEstablishments(), func(i int) string { return r.GetEstablishments()[i].GetEstablishmentId() }), err
		}, "ENANCY0000"},
		"an establishment of later on is unknown yet": {func() ([]string, error) {
			r, err := q.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{Text: "lariboisiere"})
			return names(r.GetEstablishments(), func(i int) string { return r.GetEstablishments()[i].GetEstablishmentId() }), err
		}, ""},
		"centres": {func() ([]string, error) {
			r, err := q.ListCentres(ctx, &registryv1.ListCentresRequest{Text: "neker"})
			return names(r.GetCentres(), func(i int) string { return r.GetCentres()[i].GetCentreId() }), err
		}, "CNECKER000"},
		"networks": {func() ([]string, error) {
			r, err := q.ListNetworks(ctx, &registryv1.ListNetworksRequest{Text: "miopathie"})
			return names(r.GetNetworks(), func(i int) string { return r.GetNetworks()[i].GetNetworkId() }), err
		}, "NDUCHENNE0"},
		"what is most like it, alone": {func() ([]string, error) {
			r, err := q.ListNetworks(ctx, &registryv1.ListNetworksRequest{Text: "berrard"})
			return names(r.GetNetworks(), func(i int) string { return r.GetNetworks()[i].GetNetworkId() }), err
		}, "NBERARD000"},
		"acts": {func() ([]string, error) {
			r, err := q.ListActs(ctx, &registryv1.ListActsRequest{Text: "labelisation"})
			return names(r.GetActs(), func(i int) string { return r.GetActs()[i].GetActId() }), err
		}, "A000000001"},
		"no code is like a word": {func() ([]string, error) {
			r, err := q.ListActs(ctx, &registryv1.ListActsRequest{Text: "sprx"})
			return names(r.GetActs(), func(i int) string { return r.GetActs()[i].GetActId() }), err
		}, ""},
		"the map": {func() ([]string, error) {
			r, err := q.GetMap(ctx, &registryv1.GetMapRequest{Text: "neker"})
			return centres(r.GetCentres()), err
		}, "CNECKER000"},
		"the map of those who collaborate": {func() ([]string, error) {
			r, err := q.GetMap(ctx, &registryv1.GetMapRequest{Text: "vandeuvre"})
			return centres(r.GetCentres()), err
		}, "CNANCY0000"},
		"the centres for a disease": {func() ([]string, error) {
			r, err := q.FindCentres(ctx, &registryv1.FindCentresRequest{Text: "neker"})
			return names(r.GetCentres(), func(i int) string { return r.GetCentres()[i].GetCentre().GetCentreId() }), err
		}, "CNECKER000"},
		"what differs between two maps, by a word of either": {func() ([]string, error) {
			r, err := q.CompareMaps(ctx, &registryv1.CompareMapsRequest{From: &registryv1.AsOf{ValidAt: "2020-01-01"}, Text: "neker"})
			return names(r.GetChanges(), func(i int) string { return r.GetChanges()[i].GetAfter().GetCentreId() }), err
		}, "CNECKER000"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.find()
			if found := strings.Join(got, " "); err != nil || found != test.then {
				t.Errorf("found %q, %v; want %q", found, err, test.then)
			}
		})
	}
}

// The law of the search, told again over all names: words that are all found, anywhere in
// the list, find what holds them all and nothing else; a word that is not known finds what
// is most like it or nothing.
func TestSearchFindsWhatHoldsEveryWord(t *testing.T) {
	stems := []string{"Hôpital", "Necker", "Léon", "Bérard", "Saint-Éloi", "l’Archet", "Pitié", "CHU de", "n° 5", "Œil", "Bérardi", "SPRZ2330487A"}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		var called []string
		for i, parts := range rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom(stems), 1, 3), 1, 8).Draw(rt, "names") {
			called = append(called, strings.Join(parts, " "))
			w.commit(network(numbered("N", i), "", called[i], "", ""))
		}
		text := strings.Join(rapid.SliceOfN(rapid.OneOf(
			rapid.SampledFrom(stems), rapid.SampledFrom([]string{"neker", "berrard", "berrardi", "hopitl", "xylophone", "eloy", "oeil"}),
		), 1, 2).Draw(rt, "text"), " ")
		if rapid.Bool().Draw(rt, "upper") {
			text = strings.ToUpper(text)
		}
		got, err := w.queries().ListNetworks(rt.Context(), &registryv1.ListNetworksRequest{Text: text})
		if err != nil {
			rt.Fatal(err)
		}
		found := names(got.GetNetworks(), func(i int) string { return got.GetNetworks()[i].GetNetworkId() })
		slices.Sort(found)
		want := []string{}
		for i, name := range called {
			if !slices.ContainsFunc(strings.Fields(identifier.Fold(text)), func(word string) bool { return !has(called, identifier.Fold(name), word) }) {
				want = append(want, numbered("N", i))
			}
		}
		if !slices.Equal(found, want) {
			rt.Errorf("%q found %q of %q, want %q", text, found, called, want)
		}
	})
}

// has tells whether a folded name has a word, as the names given are all there is.
func has(all []string, name, word string) bool {
	best := float32(0)
	for _, other := range all {
		other = identifier.Fold(other)
		if strings.Contains(other, word) {
			return strings.Contains(name, word)
		}
		best = max(best, likeness(word, other))
	}
	forgiven := utf8.RuneCountInString(word) > 3 && !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) })
	return forgiven && best >= 0.4 && likeness(word, name) == best
}

func likeness(word, name string) float32 {
	if !strings.Contains(name, " ") && strings.ContainsAny(name, "0123456789") {
		return 0
	}
	return identifier.WordSimilarity(word, name)
}
