package synthetic

import (
	"fmt"
	"math"
	"sort"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
)

const (
	// ownSize is the number of labels of the plan at its own size, all cycles together.
	ownSize  = 5_422
	maxLines = 10_000 // of one act
	maxCells = 300    // of the scope of one act
)

// The fewest labels that can be asked for, with a network in each filière that must
// have one, and the most.
const (
	LeastLabels = 500
	MostLabels  = 1_000_000
)

// plan is everything that is to be recorded, in the order in which it is. What the
// steps name is named by its place in these slices, until the server has minted ids.
type plan struct {
	seed   uint64
	labels int // asked for, within bounds; 0 for the plan's own size
	scale  float64

	cycles    []cycle
	hospitals []hospital
	filieres  []filiere
	platforms []platform
	centres   []int32 // the hospital of each
	networks  []network
	attached  []int32 // networks older than filières
	renamed   []renaming
	waves     [][]act // acts of a wave do not refer to each other
	granted   int32   // labels
}

type cycle struct{ code, start, end string }

type hospital struct {
	dept   identifier.Dept
	number int // in its department, from 1
}

type filiere struct {
	acronym  string
	special  bool // its networks have CRC instead of CCMR
	hospital int32
}

type platform struct {
	overseas  bool // PCOM
	hospitals []int32
	wave      int // of the two calls
}

type network struct {
	filiere int32
	since   string // day of the act that first names it
}

type renaming struct {
	network int32
	day     string
}

// act is one act to record.
type act struct {
	decision
	part, parts int
	filieres    []int32 // empty for all
	lines       []line
}

// line is one line of an annex. Holder is a site, filière or platform, as its role
// says.
type line struct {
	does   disposition
	role   labellingv1.Role
	holder int32
	label  int32 // the one granted, renewed into, confirmed or repealed
	before int32 // the one renewed
	centre int32 // with network: the site
	net    int32
	head   int32
}

type disposition uint8

const (
	grants disposition = iota
	renews
	confirms
	repeals
)

// special are the filières whose networks have CRC instead of CCMR.
var special = []string{"MHEMO", "MUCO", "FILSLAN"}

// general are made-up acronyms for the other twenty.
var general = []string{
	"ALBAFIL", "BORFIL", "CYRFIL", "DELFIL", "ESTRAFIL", "FERNFIL", "GALFIL", "HELIFIL", "IRISFIL", "JUNFIL",
	"KALFIL", "LUNAFIL", "MIRFIL", "NOVAFIL", "OPALFIL", "PYRAFIL", "QUARFIL", "RIVAFIL", "SOLFIL", "TERRAFIL",
}

// newPlan makes up a register of about so many labels; 0 asks for the plan's own size.
func newPlan(seed uint64, labels int) *plan {
	p := &plan{seed: seed, scale: 1}
	if labels > 0 {
		p.labels = min(max(labels, LeastLabels), MostLabels)
		p.scale = float64(p.labels) / ownSize
	}
	p.cycles = []cycle{{"2004-2007", "2004", "2012"}, {"2017-2022", "2017", "2022"}, {"2019-2022-FSMR", "2019", "2023"}, {"2023-2028", "2024-01-01", "2029-01-01"}}
	w := &world{plan: p, chance: chance(seed), sites: map[[2]int32]int32{}}
	w.foundHospitals()
	w.foundFilieres()
	w.foundPlatforms()
	w.firstCycle()
	w.campaign(may2017)
	w.campaign(august2017)
	w.campaign(november2017)
	w.filieresOf2019()
	w.platformsOf(0)
	w.platformsOf(1)
	w.campaign(december2023)
	return p
}

// times is a number of the plan at its own size brought to this one's.
func (p *plan) times(n int) int { return int(math.Round(float64(n) * p.scale)) }

// source is what every basis names.
func (p *plan) source() string {
	if p.labels == 0 {
		return fmt.Sprintf("synthetic generator, seed %d", p.seed)
	}
	return fmt.Sprintf("synthetic generator, seed %d, %d labels", p.seed, p.labels)
}

// teaching are departments with a teaching hospital, and how much care they give.
var teaching = map[string]int{
	"75": 30, "69": 14, "13": 12, "59": 12, "31": 11, "33": 11, "34": 10, "35": 9, "44": 10, "67": 10, "06": 8,
	"54": 8, "76": 7, "21": 7, "25": 5, "63": 6, "38": 7, "42": 5, "80": 5, "51": 4, "87": 4, "86": 4, "37": 6, "49": 6,
	"29": 5, "14": 6, "94": 8, "92": 8, "93": 5, "974": 4, "972": 3, "971": 3, "973": 2, "30": 3, "45": 3,
}

// foundHospitals founds one hospital in each department, and the others where much
// care is given.
func (w *world) foundHospitals() {
	var depts []identifier.Dept
	for d := range identifier.Departments() {
		if len(d.Code) == 2 || d.Code < "975" || d.Code == "976" {
			depts = append(depts, d)
		}
	}
	var shares []int
	total := 0
	for _, d := range depts {
		total += 1 + teaching[d.Code]/3
		shares = append(shares, total)
	}
	numbers := map[string]int{}
	found := func(d identifier.Dept) {
		numbers[d.Code]++
		w.plan.hospitals = append(w.plan.hospitals, hospital{d, numbers[d.Code]})
		weight := 2
		if t := teaching[d.Code]; t > 0 && numbers[d.Code] == 1 {
			weight = 6 * t
		}
		w.weights = append(w.weights, weight)
	}
	for _, d := range depts {
		found(d)
	}
	for range w.plan.times(400) - len(depts) {
		found(depts[sort.SearchInts(shares, w.below(total)+1)])
	}
	for i := 1; i < len(w.weights); i++ {
		w.weights[i] += w.weights[i-1]
	}
	w.teams = make([][]int32, len(w.plan.hospitals))
}

func (w *world) foundFilieres() {
	for set := range max(1, int(math.Ceil(w.plan.scale/40))) {
		for i, acronym := range append(special, general...) {
			if set > 0 {
				acronym = fmt.Sprintf("%s-%d", acronym, set+1)
			}
			w.plan.filieres = append(w.plan.filieres, filiere{acronym, i < len(special), w.hospital()})
		}
	}
}

// foundPlatforms founds 19 PEMR, of which 9 in the second call, and 4 PCOM.
func (w *world) foundPlatforms() {
	for i := range 19 {
		hosts := []int32{w.hospital()}
		for range w.below(4) {
			if h := w.hospital(); h != hosts[0] && h != hosts[len(hosts)-1] && len(hosts) < 3 {
				hosts = append(hosts, h)
			}
		}
		w.plan.platforms = append(w.plan.platforms, platform{hospitals: hosts, wave: i / 10})
	}
	for i, h := range w.plan.hospitals {
		if len(h.dept.Code) == 3 && h.dept.Code != "976" && h.number == 1 {
			w.plan.platforms = append(w.plan.platforms, platform{overseas: true, hospitals: []int32{int32(i)}})
		}
	}
}
