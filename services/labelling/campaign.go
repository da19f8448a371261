package labelling

import (
	"cmp"
	"fmt"
	"slices"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/topology"
)

// A campaign of labelling is open.
func (s *State) campaignOpened(at uint64, f *labellingv1.CampaignOpened, why *eventv1.Basis) error {
	if f.GetCampaignId() == "" || isThere(&s.Campaigns, f.GetCampaignId()) {
		return fmt.Errorf("%w: campaign %q is there already", errUnfit, f.GetCampaignId())
	}
	c := &labellingv1.Campaign{
		CampaignId: f.GetCampaignId(),
		Name:       f.GetName(),
		CycleId:    f.GetCycleId(),
		Calls:      f.GetCalls(),
		Basis:      rest(nil, why),
	}
	s.Campaigns.Assert(c.GetCampaignId(), always, at, c)
	s.indexCampaign(c)
	return nil
}

// A candidate has an outcome, beside those it had: one to be adjusted in spring may be
// favourable in summer, as in 2017.
func (s *State) outcomeRecorded(at uint64, f *labellingv1.OutcomeRecorded, why *eventv1.Basis) error {
	c, ok := s.Campaigns.Last(f.GetCampaignId(), bitemporal.Latest)
	if !ok {
		return fmt.Errorf("%w: campaign %q is unknown", errUnfit, f.GetCampaignId())
	}
	if f.GetOutcomeId() == "" || s.knowsOutcome(f.GetOutcomeId()) {
		return fmt.Errorf("%w: outcome %q is there already", errUnfit, f.GetOutcomeId())
	}
	// Versions share the outcomes, of which a campaign has hundreds.
	c = &labellingv1.Campaign{
		CampaignId: c.GetCampaignId(),
		Name:       c.GetName(),
		CycleId:    c.GetCycleId(),
		Calls:      c.GetCalls(),
		Basis:      c.GetBasis(),
		Outcomes: append(slices.Clip(c.GetOutcomes()), &labellingv1.Outcome{
			OutcomeId: f.GetOutcomeId(),
			Candidate: f.GetCandidate(),
			NetworkId: f.GetNetworkId(),
			Kind:      f.GetKind(),
			Date:      f.GetDate(),
			Basis:     why,
		}),
	}
	s.Campaigns.Assert(c.GetCampaignId(), always, at, c)
	s.indexCampaign(c)
	return nil
}

// OpenCampaign decides that a campaign of labelling is open under id. No other campaign
// has its name, whatever the case and accents: CAMPAIGN_NAME_TAKEN.
func OpenCampaign(s *State, topo *topology.State, id string, r *labellingv1.OpenCampaignRequest) ([]*labellingv1.Event, error) {
	err := cmp.Or(s.checkBasis(r.GetBasis()), s.checkFree(topo, id), s.checkCycle(r.GetCycleId(), "cycle_id"))
	for i, c := range r.GetCalls() {
		err = cmp.Or(err, fact.CheckDate(c.GetDate(), fmt.Sprintf("calls[%d].date", i)))
	}
	if err != nil {
		return nil, err
	}
	name := identifier.Fold(r.GetName())
	for other := range s.campaignsByName.of(name) {
		if c, ok := s.Campaigns.Last(other, bitemporal.Latest); ok && identifier.Fold(c.GetName()) == name {
			return nil, fault.New(fault.Refused, "CAMPAIGN_NAME_TAKEN", "name", "Campaign %s bears the name %q.", other, c.GetName())
		}
	}
	return one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_CampaignOpened{CampaignOpened: &labellingv1.CampaignOpened{
		CampaignId: id, Name: r.GetName(), CycleId: r.GetCycleId(), Calls: r.GetCalls(),
	}}})
}

// RecordOutcome decides that a candidate of a campaign has an outcome under id, beside
// those it had. It is named as the source names it, and is a registered network or none
// that is known.
func RecordOutcome(s *State, topo *topology.State, id string, r *labellingv1.RecordOutcomeRequest) ([]*labellingv1.Event, error) {
	err := cmp.Or(s.checkBasis(r.GetBasis()), s.checkFree(topo, id), fact.CheckDate(r.GetDate(), "date"))
	if err != nil {
		return nil, err
	}
	if !isThere(&s.Campaigns, r.GetCampaignId()) {
		return nil, fault.New(fault.NotFound, "CAMPAIGN_UNKNOWN", "campaign_id", "No campaign is recorded under %q.", r.GetCampaignId())
	}
	if r.GetNetworkId() != "" {
		if err := registered(&topo.Networks, r.GetNetworkId(), "NETWORK_UNKNOWN", "network_id", "network"); err != nil {
			return nil, err
		}
	}
	return one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_OutcomeRecorded{OutcomeRecorded: &labellingv1.OutcomeRecorded{
		OutcomeId: id, CampaignId: r.GetCampaignId(), Candidate: r.GetCandidate(), NetworkId: r.GetNetworkId(), Kind: r.GetKind(), Date: r.GetDate(),
	}}})
}

func (s *State) knowsOutcome(id string) bool {
	for campaign := range s.campaignsByOutcome.of(id) {
		c, _ := s.Campaigns.Last(campaign, bitemporal.Latest)
		if slices.ContainsFunc(c.GetOutcomes(), func(o *labellingv1.Outcome) bool { return o.GetOutcomeId() == id }) {
			return true
		}
	}
	return false
}
