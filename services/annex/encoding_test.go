package annex

import (
	"testing"

	"golang.org/x/text/encoding/charmap"
)

// TestEncodings: what French prints is read in the encoding that it was written in.
func TestEncodings(t *testing.T) {
	for _, text := range []string{
		"Réseau;Ville\nRein;Orléans\n",
		"Filière FIMARAD;Hôpital « Saint-Louis »;Dr Zoë L’Hôte\n",
		"RÉSEAU;ÉTABLISSEMENT;DÉPARTEMENT\nFOIE;HÔPITAL FRANÇOIS-MITTERRAND;CÔTE-D’OR\n",
		"Reseau;Ville\nCœur;Saint-Étienne\n",
		"Reseau;Ville;Responsable\nRein;Lyon;Dr Nuñez\n",
		"Reseau;Ville\nMaladies de l’os;Lyon\n",
		"Reseau;Ville\nDéficits – enzymes…;Évry\n",
	} {
		for _, page := range []*charmap.Charmap{charmap.Windows1252, charmap.Macintosh} {
			raw, err := page.NewEncoder().Bytes([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := decode(raw); err != nil || string(got) != text {
				t.Errorf("%v: %q is read as %q, %v", page, text, got, err)
			}
		}
	}
}
