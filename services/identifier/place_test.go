package identifier

import (
	"strconv"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestDepartmentsAreTheSeeds(t *testing.T) {
	rows := seed(t, "departments.csv")
	if len(rows) != len(departments) {
		t.Errorf("%d departments, %d in the seeds", len(departments), len(rows))
	}
	for _, row := range rows {
		want := Dept{Code: row["insee_code"], Name: row["name"], RegionCode: row["region_code"], Region: row["region"]}
		for column, degrees := range map[string]*float64{"latitude": &want.Latitude, "longitude": &want.Longitude} {
			if row[column] == "" {
				continue
			}
			var err error
			if *degrees, err = strconv.ParseFloat(row[column], 64); err != nil {
				t.Fatal(err)
			}
		}
		if got, ok := Department(want.Code); !ok || got != want {
			t.Errorf("Department(%q) = %+v, %v; want %+v", want.Code, got, ok, want)
		}
	}
}

func TestRegionsAreTheSeeds(t *testing.T) {
	for _, row := range seed(t, "regions.csv") {
		for _, in := range []string{row["insee_code"], row["name"], Fold(row["name"])} {
			if code, name, ok := Region(in); !ok || code != row["insee_code"] || name != row["name"] {
				t.Errorf("Region(%q) = %q, %q, %v; want %q, %q", in, code, name, ok, row["insee_code"], row["name"])
			}
		}
	}
}

func TestPlaces(t *testing.T) {
	for code, want := range map[string]string{
		"2A": "Corse", "2a": "Corse", "2B": "Corse", "01": "Auvergne-Rhône-Alpes", "75": "Île-de-France", "974": "La Réunion", "988": "Nouvelle-Calédonie",
		"20": "", "1": "", "00": "", "96": "", "97": "", "": "", "é": "", "\xff": "",
	} {
		if d, ok := Department(code); d.Region != want || ok != (want != "") {
			t.Errorf("Department(%q) = %+v, %v; want region %q", code, d, ok, want)
		}
	}
	for in, want := range map[string]string{
		"ile de france": "11", "PROVENCE ALPES COTE D’AZUR": "93", "Bourgogne–Franche-Comté": "27", "la reunion": "04",
		"": "", "Alsace": "", "99": "", "\xff": "",
	} {
		if code, _, ok := Region(in); code != want || ok != (want != "") {
			t.Errorf("Region(%q) = %q, %v; want %q", in, code, ok, want)
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "",
		"Île-de-France":                   "ile de france",
		"ÎLE DE FRANCE":                   "ile de france",
		"I\u0302le\u2010de\u2011France":   "ile de france", // accent apart, other hyphens
		"Hôpital de l'Archet":             "hopital de l archet",
		"hôpital de l’archet":             "hopital de l archet",
		"Vandœuvre-lès-Nancy":             "vandoeuvre les nancy",
		"  CHU \u00a0 de\t Tours\n":       "chu de tours",
		"Émile–Muller":                    "emile muller",
		"DéfiScience":                     "defiscience",
		"Œ Æ ß ẞ Ø ł":                     "oe ae ss ss o l",
		"1ʳᵉ n° 2":                        "1re n° 2",
		"Pitié\u00ad-Salpêtrière (AP-HP)": "pitie salpetriere (ap hp)",
		"-'-":                             "",
		"a\xffb":                          "a\ufffdb",
		"Ligature ﬁn":                     "ligature fin",
		"\ufeffNice":                      "nice",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFoldOfEveryLetterIsFolded(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		once := Fold("a" + string(r) + "b")
		if twice := Fold(once); twice != once {
			t.Errorf("%U: %q, then %q", r, once, twice)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "Île-de-France", "a\xffb", "\u0345\u0301", "İ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Fold(s)
		if twice := Fold(once); twice != once || !utf8.ValidString(once) {
			t.Errorf("%q: %q, then %q", s, once, twice)
		}
	})
}

func FuzzDepartment(f *testing.F) {
	f.Add("2a")
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := Department(s); ok {
			if again, ok := Department(d.Code); !ok || again != d {
				t.Errorf("%q gives %+v, then %+v", s, d, again)
			}
		}
	})
}
