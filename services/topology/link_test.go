package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

func endK(id, end string) decision {
	return by(EndLink, &topologyv1.EndLinkRequest{Basis: source, LinkId: id, End: end})
}

func confirm(id, date string) decision {
	return by(ConfirmLink, &topologyv1.ConfirmLinkRequest{Basis: source, LinkId: id, Date: date})
}

func same(id, kept, other string) decision {
	return under(id, DeclareContinuity, &topologyv1.DeclareContinuityRequest{Basis: source, KeptId: kept, OtherId: other})
}

func revoke(id string) decision {
	return by(RevokeContinuity, &topologyv1.RevokeContinuityRequest{Basis: source, ContinuityId: id})
}

func regW(id, code, period string, axes ...string) decision {
	start, end, _ := strings.Cut(period, "/")
	r := &topologyv1.RegisterPlanRequest{Basis: source, Code: code, Name: "Plan", Period: &eventv1.Period{Start: start, End: end}}
	for _, a := range axes {
		r.Axes = append(r.Axes, &topologyv1.Axis{Code: a})
	}
	return under(id, RegisterPlan, r)
}

func extend(id, end string) decision {
	return by(ExtendPlan, &topologyv1.ExtendPlanRequest{Basis: source, PlanId: id, End: end})
}

func axes(id string, codes ...string) decision {
	r := &topologyv1.StatePlanAxesRequest{Basis: source, PlanId: id}
	for _, a := range codes {
		r.Axes = append(r.Axes, &topologyv1.Axis{Code: a})
	}
	return by(StatePlanAxes, r)
}

func scope(id, from, release string, codes ...uint32) decision {
	return by(ScopeNetwork, &topologyv1.ScopeNetworkRequest{Basis: source, NetworkId: id, ValidFrom: from, Release: release, OrphaCodes: codes})
}

func territory(id, from, regions, departments string) decision {
	return by(StateTerritory, &topologyv1.StateTerritoryRequest{Basis: source, PlatformId: id, ValidFrom: from, RegionCodes: strings.Fields(regions), DepartmentCodes: strings.Fields(departments)})
}

func contact(id, from, website, email string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		var value *eventv1.PersonalValue
		if email != "" {
			value = &eventv1.PersonalValue{ValueId: email}
		}
		return StateContact(s, &topologyv1.StateContactRequest{Basis: source, EntityId: id, ValidFrom: from, Website: website}, value, nil)
	}
}

func identify(id, from, finess string, kind topologyv1.FinessKind, siret string) decision {
	return by(IdentifyEstablishment, &topologyv1.IdentifyEstablishmentRequest{Basis: source, EstablishmentId: id, ValidFrom: from, Finess: finess, FinessKind: kind, Siret: siret})
}

func movE(id, from, city, department string) decision {
	return by(MoveEstablishment, &topologyv1.MoveEstablishmentRequest{Basis: source, EstablishmentId: id, ValidFrom: from, Place: &topologyv1.Place{City: city, DepartmentCode: department}})
}

func movP(id, from string, hospitals ...string) decision {
	return by(MovePlatform, &topologyv1.MovePlatformRequest{Basis: source, PlatformId: id, ValidFrom: from, EstablishmentIds: hospitals})
}

func legal(id, from string, to ...string) decision {
	return by(ChangeLegalEntity, &topologyv1.ChangeLegalEntityRequest{Basis: source, EstablishmentId: id, ValidFrom: from, LegalEntityIds: to})
}

const (
	site        = topologyv1.FinessKind_FINESS_KIND_SITE
	legalEntity = topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY
)

// Each decision after others, in the city: the facts, or the reason of the refusal and
// the field.
func TestTies(t *testing.T) {
	const number, other = "750712184", "940100043"
	for _, c := range []struct {
		name  string
		given []decision
		when  decision
		then  string
	}{
		{"a centre collaborates", nil, declare("X", collaborates, "C2", "N1", "", "2019-03/2021"), "link_declared X COLLABORATES C2 N1 2019-03/2021"},
		{"a centre serves", nil, declare("X", serves, "C2", "L2", "", ""), "link_declared X SERVES C2 L2 /"},
		{"a centre is hosted", nil, declare("X", hosted, "C2", "P1", "", "2020"), "link_declared X HOSTED C2 P1 2020/"},
		{"a centre is attached to two", nil, declare("X", attached, "C2", "C8", "N1", ""), "link_declared X ATTACHED C2 C8 N1 /"},
		{"in two networks", nil, declare("X", attached, "C2", "C1", "N2", ""), "link_declared X ATTACHED C2 C1 N2 /"},
		{"two to each other", nil, declare("X", attached, "C1", "C2", "N1", ""), "link_declared X ATTACHED C1 C2 N1 /"},
		{"a hospital is of a European network", nil, declare("X", ern, "E1", " ERN ITHACA ", "", "2017"), "link_declared X ERN E1 ERN ITHACA 2017/"},
		{"a centre is of a European network", nil, declare("X", ern, "C1", "ERN ITHACA", "", ""), "link_declared X ERN C1 ERN ITHACA /"},
		{"a filière is of a European network", nil, declare("X", ern, "L1", "ERN ITHACA", "", ""), "link_declared X ERN L1 ERN ITHACA /"},
		{"a platform is of none", nil, declare("X", ern, "P1", "ERN ITHACA", "", ""), "LINK_ENDS from_id"},
		{"a European network without a name", nil, declare("X", ern, "L1", "", "", ""), "LINK_ENDS code"},
		{"a code and an end", nil, under("X", DeclareLink, &topologyv1.DeclareLinkRequest{Basis: source, Kind: ern, FromId: "C1", ToId: "N1", Code: "ERN"}), "LINK_ENDS to_id"},
		{"an end and a code", nil, under("X", DeclareLink, &topologyv1.DeclareLinkRequest{Basis: source, Kind: serves, FromId: "C1", ToId: "L1", Code: "ERN"}), "LINK_ENDS code"},
		{"a network collaborates", nil, declare("X", collaborates, "N1", "N2", "", ""), "LINK_ENDS from_id"},
		{"a centre collaborates with a filière", nil, declare("X", collaborates, "C1", "L1", "", ""), "LINK_ENDS to_id"},
		{"a centre serves nobody", nil, declare("X", serves, "C1", "", "", ""), "LINK_ENDS to_id"},
		{"a centre serves a stranger", nil, declare("X", serves, "C1", "L9", "", ""), "FILIERE_UNKNOWN to_id"},
		{"a stranger serves", nil, declare("X", serves, "C7", "L1", "", ""), "CENTRE_UNKNOWN from_id"},
		{"attached in no network", nil, declare("X", attached, "C1", "C2", "", ""), "LINK_ENDS network_id"},
		{"attached in an unknown network", nil, declare("X", attached, "C1", "C2", "N9", ""), "NETWORK_UNKNOWN network_id"},
		{"hosted in a network", nil, declare("X", hosted, "C1", "P1", "N1", ""), "LINK_ENDS network_id"},
		{"attached to itself", nil, declare("X", attached, "C1", "C1", "N1", ""), "LINK_SELF to_id"},
		{"a link of no kind", nil, declare("X", 0, "C1", "C2", "", ""), "LINK_ENDS kind"},
		{"the same again", nil, declare("X", hosted, "C1", "P1", "", "2031"), "LINK_EXISTS period"},
		{"the same once it ended", nil, declare("X", hosted, "C1", "P1", "", "2032"), "link_declared X HOSTED C1 P1 2032/"},
		{"the same before it began", nil, declare("X", hosted, "C1", "P1", "", "2018/2020"), "link_declared X HOSTED C1 P1 2018/2020"},
		{"the same before, for too long", nil, declare("X", hosted, "C1", "P1", "", "2018/2020-02"), "LINK_EXISTS period"},
		{"the same code in capitals", []decision{declare("X", ern, "C1", "Ern Ithaca", "", "")}, declare("Y", ern, "C1", "ERN ITHACA", "", ""), "LINK_EXISTS period"},
		{"the same after it was ended", []decision{endK("K1", "2024")}, declare("X", collaborates, "C1", "N1", "", "2024"), "link_declared X COLLABORATES C1 N1 2024/"},
		{"an end before its start", nil, declare("X", serves, "C1", "L1", "", "2020/2019"), "PERIOD_EMPTY period.end"},
		{"from no day", nil, declare("X", serves, "C1", "L1", "", "2020-13"), "DATE_INVALID period.start"},
		{"to no day", nil, declare("X", serves, "C1", "L1", "", "2020/2021-02-29"), "DATE_INVALID period.end"},
		{"an id that is taken", nil, declare("K1", serves, "C1", "L1", "", ""), "ID_TAKEN"},
		{"on no basis", nil, under("X", DeclareLink, &topologyv1.DeclareLinkRequest{Kind: serves, FromId: "C1", ToId: "L1"}), "BASIS_MISSING basis"},
		{"with what is closed", []decision{sucP("2026", "P2", "")}, declare("X", hosted, "C1", "P2", "", "2027"), "PLATFORM_CLOSED to_id"},
		{"with what closes later", []decision{sucP("2026", "P2", "")}, declare("X", hosted, "C1", "P2", "", "2020"), "link_declared X HOSTED C1 P2 2020/"},
		{"in a closed network", []decision{sucNN("2026", "N2", "")}, declare("X", attached, "C1", "C2", "N2", "2026-12-31"), "NETWORK_CLOSED network_id"},

		{"a link is confirmed", nil, confirm("K1", "2019"), "link_confirmed K1 2019"},
		{"confirmed on an unknown day", nil, confirm("K1", ""), "link_confirmed K1"},
		{"confirmed twice", []decision{confirm("K1", "2019")}, confirm("K1", "2020"), "LINK_CONFIRMED link_id"},
		{"confirmed once ended", nil, confirm("K2", "2032"), "LINK_ENDED date"},
		{"confirmed though it ended on an unknown day", []decision{endK("K1", "")}, confirm("K1", ""), "link_confirmed K1"},
		{"an unknown link confirmed", nil, confirm("C1", ""), "LINK_UNKNOWN link_id"},
		{"confirmed on no day", nil, confirm("K1", "2019-00"), "DATE_INVALID date"},

		{"a link ends", nil, endK("K1", "2024-02"), "link_ended K1 2024-02"},
		{"a link ends on an unknown day", nil, endK("K1", ""), "link_ended K1"},
		{"a link ends sooner than stated", nil, endK("K2", "2030"), "link_ended K2 2030"},
		{"a link ends as stated", nil, endK("K2", "2032"), "LINK_ENDED end"},
		{"a link ends twice", []decision{endK("K1", "2024")}, endK("K1", "2023"), "LINK_ENDED end"},
		{"a link ends twice, first on an unknown day", []decision{endK("K1", "")}, endK("K1", "2023"), "LINK_ENDED end"},
		{"a link ends before it begins", nil, endK("K1", "2017"), "PERIOD_EMPTY end"},
		{"a link ends in the year it begins", nil, endK("K1", "2018"), "link_ended K1 2018"},
		{"an unknown link ends", nil, endK("X", "2018"), "LINK_UNKNOWN link_id"},
		{"a link ends on no day", nil, endK("K1", "18"), "DATE_INVALID end"},

		{"two are one", nil, same("Y1", "C1", "C2"), "continuity_declared Y1 C1 C2"},
		{"three are one", []decision{same("Y1", "C1", "C2")}, same("Y2", "C1", "C3"), "continuity_declared Y2 C1 C3"},
		{"the one kept is the other of a third", []decision{same("Y1", "C1", "C2")}, same("Y2", "C2", "C3"), "CONTINUITY_CONTRADICTED kept_id"},
		{"the other is that of a third", []decision{same("Y1", "C1", "C2")}, same("Y2", "C3", "C2"), "CONTINUITY_CONTRADICTED other_id"},
		{"the other is one that others go by", []decision{same("Y1", "C1", "C2")}, same("Y2", "C3", "C1"), "continuity_declared Y2 C3 C1"},
		{"two are one already", []decision{same("Y1", "C1", "C2")}, same("Y2", "C2", "C1"), "CONTINUITY_EXISTS other_id"},
		{"two are one by a third", []decision{same("Y1", "C1", "C2"), same("Y2", "C1", "C3")}, same("Y3", "C2", "C3"), "CONTINUITY_EXISTS other_id"},
		{"a team and a hospital are one", nil, same("Y1", "C1", "E1"), "CONTINUITY_KINDS other_id"},
		{"one is itself", nil, same("Y1", "C1", "C1"), "CONTINUITY_SELF other_id"},
		{"a stranger is one", nil, same("Y1", "C7", "C1"), "CENTRE_UNKNOWN kept_id"},
		{"one is a stranger", nil, same("Y1", "P1", "P7"), "PLATFORM_UNKNOWN other_id"},
		{"one took the place of the other", []decision{sucCC("2026", "C3", "C8"), sucCC("2027", "C8", "C9")}, same("Y1", "C9", "C3"), "CONTINUITY_CONTRADICTED other_id"},
		{"the other is that of one who took its place", []decision{sucCC("2026", "C3", "C8"), same("Y1", "C3", "C9")}, same("Y2", "C3", "C8"), "CONTINUITY_CONTRADICTED other_id"},
		{"two hospitals with nothing in common", []decision{movE("E4", "2020", "Brest", "29")}, same("Y1", "E3", "E4"), "CONTINUITY_UNSHOWN basis.note"},
		{"of one name", []decision{renE("E4", "2020", "CLINIQUE")}, same("Y1", "E3", "E4"), "continuity_declared Y1 E3 E4"},
		{"of one city, years apart", []decision{movE("E4", "2020", "Brest", "29"), movE("E3", "2000", "brest", "29"), movE("E3", "2010", "Lyon", "69")}, same("Y1", "E3", "E4"), "continuity_declared Y1 E3 E4"},
		{"of one number, one after the other", []decision{identify("E3", "2000", number, site, ""), identify("E3", "2010", other, site, ""), identify("E4", "2010", number, site, "")}, same("Y1", "E4", "E3"), "continuity_declared Y1 E4 E3"},
		{"of one legal entity", []decision{attE("E4", "2024", "E1")}, same("Y1", "E3", "E4"), "continuity_declared Y1 E3 E4"},
		{"with what shows it", nil, under("Y1", DeclareContinuity, &topologyv1.DeclareContinuityRequest{Basis: &eventv1.Basis{Source: "S", Note: "The town says so."}, KeptId: "E3", OtherId: "E4"}), "continuity_declared Y1 E3 E4"},
		{"with an act", nil, under("Y1", DeclareContinuity, &topologyv1.DeclareContinuityRequest{Basis: &eventv1.Basis{ActId: "A"}, KeptId: "E3", OtherId: "E4"}), "continuity_declared Y1 E3 E4"},
		{"by way of a third", []decision{renE("E4", "2020", "Clinique"), same("Y1", "E3", "E4"), movE("E2", "2020", "Brest", "29"), movE("E4", "2020", "Brest", "29")}, same("Y2", "E3", "E2"), "continuity_declared Y2 E3 E2"},
		{"they are two after all", []decision{same("Y1", "C1", "C2")}, revoke("Y1"), "continuity_revoked Y1"},
		{"they are one after all", []decision{same("Y1", "C1", "C2"), revoke("Y1")}, same("Y2", "C2", "C1"), "continuity_declared Y2 C2 C1"},
		{"an id that was used", []decision{same("Y1", "C1", "C2"), revoke("Y1")}, same("Y1", "C2", "C1"), "ID_TAKEN"},
		{"revoked twice", []decision{same("Y1", "C1", "C2"), revoke("Y1")}, revoke("Y1"), "CONTINUITY_REVOKED continuity_id"},
		{"an unknown continuity", nil, revoke("C1"), "CONTINUITY_UNKNOWN continuity_id"},
		{"a continuity on no basis", nil, by(RevokeContinuity, &topologyv1.RevokeContinuityRequest{}), "BASIS_MISSING basis"},

		{"a plan enters", nil, regW("W", " PNMR3 ", "2018/2023", "1", "2"), "plan_registered W PNMR3 Plan 2018/2023 1,2"},
		{"a plan with the code of another", []decision{regW("W", "PNMR3", "2018/2023")}, regW("V", "pnmr3", ""), "PLAN_CODE_TAKEN code"},
		{"a plan without years", nil, regW("W", "PNMR3", "2018/2017"), "PERIOD_EMPTY period.end"},
		{"a plan with an axis twice", nil, regW("W", "PNMR3", "", "1", "2", "1"), "NAMED_TWICE axes[2].code"},
		{"a plan under a taken id", nil, regW("C1", "PNMR3", ""), "ID_TAKEN"},
		{"a plan goes on", []decision{regW("W", "PNMR3", "2018/2023")}, extend("W", "2024"), "plan_extended W 2024"},
		{"a plan without an end goes on", []decision{regW("W", "PNMR3", "2018")}, extend("W", "2024"), "plan_extended W 2024"},
		{"a plan goes on for no longer", []decision{regW("W", "PNMR3", "2018/2023")}, extend("W", "2023-06"), "PLAN_END_NOT_LATER end"},
		{"a plan goes on until no day", []decision{regW("W", "PNMR3", "2018/2023")}, extend("W", ""), "DATE_MISSING end"},
		{"a plan goes on into its past", []decision{regW("W", "PNMR3", "2018")}, extend("W", "2017"), "PERIOD_EMPTY end"},
		{"an unknown plan goes on", nil, extend("W", "2017"), "PLAN_UNKNOWN plan_id"},
		{"a plan has other axes", []decision{regW("W", "PNMR3", "", "1")}, axes("W", "1.1", "2"), "plan_axes_stated W 1.1,2"},
		{"a plan has the same axes", []decision{regW("W", "PNMR3", "", "1")}, axes("W", "1"), "AXES_UNCHANGED axes"},
		{"a plan has an axis twice", []decision{regW("W", "PNMR3", "", "1")}, axes("W", "1", "1"), "NAMED_TWICE axes[1].code"},
		{"an unknown plan has axes", nil, axes("W", "1"), "PLAN_UNKNOWN plan_id"},

		{"diseases", nil, scope("N1", "2024", "2023-07", 3280, 7, 268882), "network_scoped N1 2024 2023-07 7,3280,268882"},
		{"the same diseases", []decision{scope("N1", "2024", "2023-07", 3280, 7)}, scope("N1", "2025", "2023-07", 7, 3280), "SCOPE_UNCHANGED orpha_codes"},
		{"the same diseases, read again", []decision{scope("N1", "2024", "2023-07", 7)}, scope("N1", "2025", "2024-07", 7), "network_scoped N1 2025 2024-07 7"},
		{"no disease any more", []decision{scope("N1", "2024", "2023-07", 7)}, scope("N1", "2025", "2024-07"), "network_scoped N1 2025 2024-07"},
		{"an older release", []decision{scope("N1", "2024", "2023-07", 7)}, scope("N1", "2025", "2022-07", 8), "RELEASE_OLDER release"},
		{"an older release for days before", []decision{scope("N1", "2024", "2023-07", 7)}, scope("N1", "2019", "2018-07", 8), "RELEASE_OLDER release"},
		{"a release of no month", nil, scope("N1", "2024", "2023-17", 7), "DATE_INVALID release"},
		{"diseases of a stranger", nil, scope("N7", "2024", "2023-07", 7), "NETWORK_UNKNOWN network_id"},
		{"diseases of a closed network", []decision{sucNN("2026", "N2", "")}, scope("N2", "2026-12-31", "2023-07", 7), "NETWORK_CLOSED network_id"},

		{"a territory", nil, territory("P1", "2021", "93 94", "988"), "territory_stated P1 2021 93,94 988"},
		{"the same territory", []decision{territory("P1", "2021", "93 94", "988")}, territory("P1", "2022", "94 93", "988"), "TERRITORY_UNCHANGED region_codes"},
		{"no territory", nil, territory("P1", "2022", "", ""), "TERRITORY_UNCHANGED region_codes"},
		{"a region that there is not", nil, territory("P1", "2022", "93 20", ""), "REGION_UNKNOWN region_codes[1]"},
		{"a department that there is not", nil, territory("P1", "2022", "", "20"), "DEPARTMENT_UNKNOWN department_codes[0]"},
		{"a department of the region", nil, territory("P1", "2022", "93", "988 13"), "NAMED_TWICE department_codes[1]"},
		{"a territory of a stranger", nil, territory("P7", "2022", "93", ""), "PLATFORM_UNKNOWN platform_id"},

		{"a contact of a platform", nil, contact("P1", "2021", "example.org", "value"), "contact_stated P1 2021 example.org value"},
		{"a contact of a filière", nil, contact("L1", "", "example.org", ""), "contact_stated L1 example.org"},
		{"the same contact", []decision{contact("P1", "2021", "example.org", "")}, contact("P1", "2022", "example.org", ""), "CONTACT_UNCHANGED website"},
		{"a contact no more", []decision{contact("P1", "2021", "example.org", "value")}, contact("P1", "2022", "", ""), "contact_stated P1 2022"},
		{"a contact of a centre", nil, contact("C1", "2021", "example.org", ""), "CONTACT_MISPLACED entity_id"},
		{"a contact of nobody", nil, contact("X", "2021", "example.org", ""), "PLATFORM_UNKNOWN entity_id"},
		{"a contact of what is closed", []decision{sucP("2020", "P2", "")}, contact("P2", "2021", "example.org", ""), "PLATFORM_CLOSED entity_id"},

		{"numbers", nil, identify("E1", "2025", "75 071 218 4", site, "26750045200011"), "establishment_identified E1 2025 750712184 SITE 26750045200011"},
		{"the same numbers", []decision{identify("E1", "2025", number, site, "")}, identify("E1", "2026", number, site, ""), "NUMBERS_UNCHANGED finess"},
		{"a number that fails its check", nil, identify("E1", "2025", "750712185", site, ""), "FINESS_INVALID finess"},
		{"a SIRET that fails its check", nil, identify("E1", "2025", "", 0, "26750045200012"), "SIRET_INVALID siret"},
		{"the number of another", []decision{identify("E2", "2025", number, site, "")}, identify("E1", "2020", number, site, ""), "FINESS_TAKEN finess"},
		{"the number of another of another kind", []decision{identify("E2", "2025", number, site, "")}, identify("E1", "2020", number, legalEntity, ""), "establishment_identified E1 2020 750712184 ENTITY"},
		{"the number another gave up", []decision{identify("E2", "2015", number, site, ""), identify("E2", "2020", other, site, "")}, identify("E1", "2020", number, site, ""), "establishment_identified E1 2020 750712184 SITE"},
		{"before the other gave it up", []decision{identify("E2", "2015", number, site, ""), identify("E2", "2020", other, site, "")}, identify("E1", "2019", number, site, ""), "FINESS_TAKEN finess"},
		{"the number of one that is closed", []decision{identify("E4", "2015", number, site, ""), sucE("2026", "E4", "", "C3 stays", "C8 stays", "C9 stays", "P2 stays")}, identify("E1", "2026", number, site, ""), "establishment_identified E1 2026 750712184 SITE"},
		{"numbers of nobody", nil, identify("X", "", number, site, ""), "ESTABLISHMENT_UNKNOWN establishment_id"},

		{"a hospital moves", nil, movE("E1", "2024-09", "Villejuif", "94"), "establishment_moved E1 2024-09 Villejuif:94"},
		{"where it is", []decision{movE("E1", "2024-09", "Villejuif", "94")}, movE("E1", "2025", "Villejuif", "94"), "PLACE_UNCHANGED place"},
		{"a hospital moves nowhere", nil, movE("E1", "2025", "", ""), "PLACE_MISSING place"},
		{"to no department", nil, movE("E1", "2025", "", "20"), "DEPARTMENT_UNKNOWN place.department_code"},
		{"a platform moves", nil, movP("P1", "2025", "E2", "E4"), "platform_moved P1 2025 E2,E4"},
		{"a platform moves where it is", nil, movP("P1", "2025", "E1"), "PLACE_UNCHANGED establishment_ids"},
		{"a platform moves nowhere", nil, movP("P1", "2025"), "PLACE_MISSING establishment_ids"},
		{"a platform moves to one twice", nil, movP("P1", "2025", "E2", "E2"), "NAMED_TWICE establishment_ids[1]"},
		{"a platform moves to a stranger", nil, movP("P1", "2025", "E7"), "ESTABLISHMENT_UNKNOWN establishment_ids[0]"},
		{"other legal entities", nil, legal("E3", "2025-01-01", "E2", "E4"), "legal_entity_changed E3 2025-01-01 E2,E4"},
		{"no legal entity", nil, legal("E3", "2025-01-01"), "legal_entity_changed E3 2025-01-01"},
		{"the same legal entity", nil, legal("E3", "2025-01-01", "E1"), "ALREADY_ATTACHED legal_entity_ids"},
		{"its own legal entity", nil, legal("E3", "2025-01-01", "E1", "E3"), "LEGAL_ENTITY_SELF legal_entity_ids[1]"},
		{"its own legal entity by way of another", []decision{attE("E2", "2020", "E3")}, legal("E1", "2025-01-01", "E4", "E2"), "LEGAL_ENTITY_SELF legal_entity_ids[1]"},
		{"its own legal entity in the past", []decision{legal("E1", "2010", "E2"), legal("E1", "2020", "E4")}, legal("E2", "2015", "E1"), "LEGAL_ENTITY_SELF legal_entity_ids[0]"},
		{"of one that was of it before", []decision{legal("E1", "2010", "E2"), legal("E1", "2020", "E4")}, legal("E2", "2020", "E1"), "legal_entity_changed E2 2020 E1"},
		{"attached to one that belonged to it then", []decision{legal("E1", "2010", "E2"), legal("E1", "2020", "E4")}, attE("E2", "2019-12-31", "E1"), "LEGAL_ENTITY_SELF legal_entity_id"},
		{"attached to one that belongs to it", nil, attE("E1", "2025-01-01", "E3"), "LEGAL_ENTITY_SELF legal_entity_id"},
		{"a legal entity twice", nil, legal("E3", "2025-01-01", "E2", "E2"), "NAMED_TWICE legal_entity_ids[1]"},
		{"a stranger as legal entity", nil, legal("E3", "2025-01-01", "C1"), "ESTABLISHMENT_UNKNOWN legal_entity_ids[0]"},

		{"to a closed filière", []decision{sucL("2020", "L3", "")}, attN("N2", "2020-12-31", "L3"), "FILIERE_CLOSED filiere_id"},
		{"a network of a closed filière", []decision{sucL("2020", "L3", "")}, under("X", RegisterNetwork, &topologyv1.RegisterNetworkRequest{Basis: source, ValidFrom: "2021", FiliereId: "L3"}), "FILIERE_CLOSED filiere_id"},
		{"a closed filière is renamed", []decision{sucL("2020", "L3", "")}, renL("L3", "2021", "X", ""), "FILIERE_CLOSED filiere_id"},
		{"a closed platform is renamed", []decision{sucP("2020", "P2", "")}, renP("P2", "2021", "X"), "PLATFORM_CLOSED platform_id"},
		{"a platform closes twice", []decision{sucP("2020", "P2", "")}, sucP("2021", "P2", ""), "PLATFORM_CLOSED predecessor_ids[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newCity(t)
			for _, d := range c.given {
				w.append(d(w.s))
			}
			before := dump(t, w.s)
			events, err := c.when(w.s)
			if dump(t, w.s) != before {
				t.Error("the decision changed the state")
			}
			var got []string
			for _, e := range events {
				got = append(got, said(e))
			}
			if f, ok := errors.AsType[*fault.Error](err); ok {
				got = []string{strings.TrimSpace(f.Reason + " " + f.Field)}
			}
			if !slices.Equal(got, []string{c.then}) {
				t.Fatalf("decided %q, want %q (%v)", got, c.then, err)
			}
			w.append(events, nil)
		})
	}
}

// Links hold on the days of their period, while nothing they touch is closed, as known
// then; what was ended on an unknown day holds on none.
func TestInForce(t *testing.T) {
	w := newCity(t)
	start := w.at
	w.append(endK("K1", "2024")(w.s))
	w.append(confirm("K2", "2022")(w.s))
	w.append(declare("K4", ern, "C2", "ERN", "", "2020-06-01/2020")(w.s))
	w.append(declare("K5", serves, "C2", "L2", "", "")(w.s))
	w.append(endK("K5", "")(w.s))
	declared := w.at
	// An act of labelling closes a network without a word on its links.
	w.append(resting(source, succeeded(aNetwork, []string{"N1"}, []string{"N2"}, "2029")), nil)
	for _, c := range []struct {
		on    string
		known uint64
		want  string
	}{
		{"2017-12-31", w.at, "K3"},
		{"2018-01-01", w.at, "K1 K3"},
		{"2020-01-01", w.at, "K1 K2 K3"},
		{"2020-07-01", w.at, "K1 K2 K3 K4"},
		{"2020-12-31", w.at, "K1 K2 K3"},
		{"2022-01-01", w.at, "K1 K2+ K3"},
		{"2023-12-31", w.at, "K1 K2+ K3"},
		{"2024-01-01", w.at, "K2+ K3"},
		{"2024-01-01", start, "K1 K2 K3"},
		{"2028-12-31", w.at, "K2+ K3"},
		{"2029-01-01", w.at, "K2+"},
		{"2029-01-01", declared, "K2+ K3"},
		{"2031-12-31", w.at, "K2+"},
		{"2032-01-01", w.at, ""},
	} {
		var got []string
		for l := range w.s.LinksOn(day(c.on), c.known) {
			id := l.GetLinkId()
			if l.GetConfirmed() {
				id += "+"
			}
			got = append(got, id)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("on %s as known at %d: %q, want %q", c.on, c.known, got, c.want)
		}
	}
	of := func(id string, known uint64) (ids string) {
		for l := range w.s.LinksOf(id, known) {
			ids += l.GetLinkId()
		}
		return ids
	}
	for id, want := range map[string]string{"C1": "K1K2K3", "C2": "K3K4K5", "N1": "K1K3", "P1": "K2", "L2": "K5", "L1": ""} {
		if got := of(id, w.at); got != want {
			t.Errorf("links of %s are %s, want %s", id, got, want)
		}
	}
	if got := of("C2", start); got != "K3" {
		t.Errorf("as known before, links of C2 are %s", got)
	}
	w.s.Rollback(start)
	if got := of("C2", w.at); got != "K3" || !slices.Equal(w.s.Ties("P1"), []string{"K2"}) {
		t.Errorf("rolled back, links of C2 are %s", got)
	}
}

// The links of what an act closes go on with the one that takes its place, and end where
// several do or none.
func TestCarryLinks(t *testing.T) {
	collaborates := func(centre, network, start string) *topologyv1.Link {
		return &topologyv1.Link{Kind: topologyv1.LinkKind_LINK_KIND_COLLABORATES, FromId: centre, ToId: network, Period: &eventv1.Period{Start: start}}
	}
	for name, c := range map[string]struct {
		heirs  map[string][]string
		from   string
		want   []string
		beside []*topologyv1.Link
	}{
		"beside":                   {nil, "2026", []string{"link_declared K4 COLLABORATES C2 N2 2026/"}, []*topologyv1.Link{collaborates("C2", "N2", "2026")}},
		"beside, and said already": {nil, "2026", nil, []*topologyv1.Link{collaborates("C1", "N1", "2026")}},
		"beside, and said later":   {nil, "2010", []string{"link_declared K4 COLLABORATES C1 N1 2010/2018-01-01"}, []*topologyv1.Link{collaborates("C1", "N1", "2010")}},
		"beside, twice":            {nil, "2026", []string{"link_declared K4 COLLABORATES C2 N2 2026/"}, []*topologyv1.Link{collaborates("C2", "N2", "2026"), collaborates("C2", "N2", "2026")}},
		"beside, and said by one that goes on": {map[string][]string{"N1": {"N2"}}, "2026", []string{
			"link_ended K1 2026", "link_declared K4 COLLABORATES C1 N2 2026/", "link_ended K3 2026", "link_declared K5 ATTACHED C2 C1 N2 2026/",
		}, []*topologyv1.Link{collaborates("C1", "N2", "2026")}},
		"a merger": {map[string][]string{"N1": {"N2"}}, "2026", []string{
			"link_ended K1 2026", "link_declared K4 COLLABORATES C1 N2 2026/", "link_ended K3 2026", "link_declared K5 ATTACHED C2 C1 N2 2026/",
		}, nil},
		"a split":              {map[string][]string{"N1": {"N2", "X"}}, "2026", []string{"link_ended K1 2026", "link_ended K3 2026"}, nil},
		"a closing":            {map[string][]string{"P1": nil}, "2026", []string{"link_ended K2 2026"}, nil},
		"a merger to be":       {map[string][]string{"P1": {"X"}}, "2026", []string{"link_ended K2 2026", "link_declared K4 HOSTED C1 X 2026/2032"}, nil},
		"a network and a team": {map[string][]string{"N1": {"X"}, "C2": {"C9"}}, "", []string{"link_ended K3", "link_declared K4 ATTACHED C9 C1 X /", "link_ended K1 2018-01-01", "link_declared K5 COLLABORATES C1 X 2018/"}, nil},
		"teams that become one": {map[string][]string{"C1": {"C9"}, "C2": {"C9"}}, "2026", []string{
			"link_ended K1 2026", "link_declared K4 COLLABORATES C9 N1 2026/", "link_ended K2 2026", "link_declared K5 HOSTED C9 P1 2026/2032", "link_ended K3 2026",
		}, nil},
		"on no day":  {map[string][]string{"P1": {"P2"}}, "2026-02-30", nil, nil},
		"long after": {map[string][]string{"P1": {"P2"}}, "2040", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCity(t)
			carried, declared := CarryLinks(w.s, bitemporal.Latest, minting(w.s), c.heirs, c.from, c.beside...)
			var got []string
			for _, e := range slices.Concat(carried, declared) {
				got = append(got, said(e))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q; want %q", got, c.want)
			}
		})
	}
}

// Whoever of a succession is asked, all of it is told, and who is there on a day.
func TestChain(t *testing.T) {
	w := newCity(t)
	w.append(sucCC("2020", "C3 C8", "C9")(w.s))
	merged := w.at
	w.append(regC("C5", "E4")(w.s))
	w.append(regC("C6", "E4")(w.s))
	w.append(sucCC("2022", "C9", "C5 C6")(w.s))
	w.append(sucCC("2024", "C6", "")(w.s))
	for _, id := range []string{"C3", "C8", "C9", "C5", "C6"} {
		if got := w.s.Chain(id, w.at); !slices.Equal(got, []string{"C3", "C8", "C9", "C5", "C6"}) {
			t.Errorf("%s stands in %q", id, got)
		}
	}
	if got := w.s.Chain("C8", merged); !slices.Equal(got, []string{"C3", "C8", "C9"}) {
		t.Errorf("as known before, C8 stands in %q", got)
	}
	known := w.at
	w.append(same("Y1", "C5", "C1")(w.s))
	w.append(same("Y2", "C2", "C3")(w.s))
	for _, c := range []struct {
		id, on string
		known  uint64
		want   string
	}{
		{"C3", "2019-12-31", known, "C3"},
		{"C3", "2020-01-01", known, "C9"},
		{"C3", "2022-01-01", known, "C5 C6"},
		{"C3", "2024-01-01", known, "C5"},
		{"C6", "2024-01-01", known, ""},
		{"C6", "2023-12-31", known, "C6"},
		{"C3", "2022-01-01", merged, "C9"},
		{"C7", "2022-01-01", known, "C7"},
		{"C1", "2022-01-01", known, "C1"},
		{"C1", "2022-01-01", w.at, "C5"},
		{"C2", "2019-12-31", w.at, "C2"},
		{"C3", "2019-12-31", w.at, "C2"},
		{"C2", "2024-01-01", w.at, "C5"},
	} {
		if got := strings.Join(w.s.Present(c.id, day(c.on), c.known), " "); got != c.want {
			t.Errorf("in the place of %s on %s as known at %d: %q, want %q", c.id, c.on, c.known, got, c.want)
		}
	}
	if got := w.s.Chain("C1", w.at); !slices.Equal(got, []string{"C1", "C2", "C3", "C8", "C9", "C5", "C6"}) {
		t.Errorf("with continuities, C1 stands in %q", got)
	}
	if got := w.s.Continued("C1", w.at); !slices.Equal(got, []string{"C5", "C1"}) {
		t.Errorf("C1 is one with %q", got)
	}
	w.append(revoke("Y1")(w.s))
	if got := w.s.Continued("C1", w.at); !slices.Equal(got, []string{"C1"}) {
		t.Errorf("revoked, C1 is one with %q", got)
	}
	if got := w.s.Continued("C1", w.at-1); !slices.Equal(got, []string{"C5", "C1"}) {
		t.Errorf("as known before, C1 is one with %q", got)
	}
}

// A prolongation and other axes are known from when they are recorded on.
func TestPlan(t *testing.T) {
	w := newWorld(t)
	w.append(regW("W", "PNMR3", "2018/2023", "1")(w.s))
	was := w.at
	w.append(extend("W", "2024-12-31")(w.s))
	w.append(axes("W", "1.1")(w.s))
	is := func(known uint64) string {
		p, _ := w.s.Plans.At("W", day("2020-01-01"), known)
		return fmt.Sprint(p.GetPeriod().GetStart(), " ", p.GetPeriod().GetEnd(), " ", p.GetAxes()[0].GetCode(), " ", len(p.GetBasis()))
	}
	if is(was) != "2018 2023 1 1" || is(w.at) != "2018 2024-12-31 1.1 3" {
		t.Errorf("it was %s and is %s", is(was), is(w.at))
	}
}

// The end of a link or a plan that lies ahead is told once it has come, unless another
// took its place.
func TestEndsAreDue(t *testing.T) {
	w := newWorld(t)
	for _, d := range []decision{
		regC("C2"), regC("C8"),
		declare("X1", serves, "C1", "L1", "", "2026-08-01/2027-01-01"), declare("X2", serves, "C2", "L1", "", "2020/2027-01-01"), endK("X2", "2026-09-01"),
		regW("W", "PNMR4", "2025/2030-01-01"), extend("W", "2031-01-01"), declare("X3", serves, "C8", "L1", "", ""), endK("X3", "2026-10-01"),
	} {
		events, err := d(w.s)
		for _, e := range events {
			e.Meta.RecordTime = timestamppb.New(time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC))
		}
		w.append(events, err)
	}
	var got []string
	for _, e := range Due(w.s, day("2035-01-01")) {
		got = append(got, e.GetDayReached().GetEntityId()+" "+e.GetDayReached().GetDate())
	}
	if want := []string{"X1 2026-08-01", "X1 2027-01-01", "X2 2026-09-01", "W 2031-01-01", "X3 2026-10-01"}; !slices.Equal(got, want) {
		t.Errorf("due %q, want %q", got, want)
	}
	for _, e := range Due(w.s, day("2026-12-31")) {
		w.append(Tell(w.s, day("2026-12-31"), e, source))
	}
	if left := Due(w.s, day("2035-01-01")); len(left) != 2 {
		t.Errorf("left to tell: %v", left)
	}
}

// The number of a hospital leads to it, as known then.
func TestNumbersAreFound(t *testing.T) {
	const number = "750712184"
	w := newWorld(t)
	before := w.at
	w.append(identify("E1", "2025", number, site, "")(w.s))
	if got := w.s.ByFINESS(number, w.at); !slices.Equal(got, []string{"E1"}) || w.s.ByFINESS(number, before) != nil && len(w.s.ByFINESS(number, before)) > 0 {
		t.Errorf("found %q, before %q", got, w.s.ByFINESS(number, before))
	}
	w.s.Rollback(before)
	if got := w.s.ByFINESS(number, bitemporal.Latest); len(got) > 0 {
		t.Errorf("rolled back, found %q", got)
	}
}

// The map reads every link of a day.
func BenchmarkLinksOn(b *testing.B) {
	w := newWorld(b)
	for i := range 2500 {
		c := fmt.Sprintf("D%04d", i)
		w.append(regC(c, "E1")(w.s))
		for j, to := range []string{"N1", "L1", "P1", "C1"} {
			kind, network := topologyv1.LinkKind(j+1), ""
			if kind == attached {
				network = "N1"
			}
			w.append(declare(fmt.Sprintf("%s%d", c, j), kind, c, to, network, "2020")(w.s))
		}
	}
	w.s.Settle(w.at)
	for b.Loop() {
		n := 0
		for range w.s.LinksOn(day("2024-01-01"), w.at) {
			n++
		}
		if n != 10000 {
			b.Fatal(n)
		}
	}
}
