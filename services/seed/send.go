package seed

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
)

// made is the ids that a request made known: of what it registered, granted or opened,
// and of the site that holds what it granted.
type made struct{ id, site string }

// send sends one request and returns what it made and the position of its commit.
func (l *loader) send(ctx context.Context, req proto.Message) (m made, position uint64, err error) {
	switch r := req.(type) {
	case *topologyv1.RegisterEstablishmentRequest:
		a, err := l.topology.RegisterEstablishment(ctx, r)
		return made{id: a.GetEstablishmentId()}, a.GetPosition(), err
	case *topologyv1.RegisterFiliereRequest:
		a, err := l.topology.RegisterFiliere(ctx, r)
		return made{id: a.GetFiliereId()}, a.GetPosition(), err
	case *topologyv1.RegisterPlatformRequest:
		a, err := l.topology.RegisterPlatform(ctx, r)
		return made{id: a.GetPlatformId()}, a.GetPosition(), err
	case *topologyv1.RegisterNetworkRequest:
		a, err := l.topology.RegisterNetwork(ctx, r)
		return made{id: a.GetNetworkId()}, a.GetPosition(), err
	case *topologyv1.AttachNetworkRequest:
		a, err := l.topology.AttachNetwork(ctx, r)
		return made{}, a.GetPosition(), err
	case *topologyv1.RenameNetworkRequest:
		a, err := l.topology.RenameNetwork(ctx, r)
		return made{}, a.GetPosition(), err
	case *topologyv1.SucceedNetworksRequest:
		a, err := l.topology.SucceedNetworks(ctx, r)
		return made{}, a.GetPosition(), err
	case *topologyv1.RegisterCentreRequest:
		a, err := l.topology.RegisterCentre(ctx, r)
		return made{id: a.GetCentreId()}, a.GetPosition(), err
	case *topologyv1.MoveCentreRequest:
		a, err := l.topology.MoveCentre(ctx, r)
		return made{}, a.GetPosition(), err
	default:
		return l.sendChange(ctx, req)
	}
}

func (l *loader) sendChange(ctx context.Context, req proto.Message) (m made, position uint64, err error) {
	switch r := req.(type) {
	case *topologyv1.RenameEstablishmentRequest:
		a, err := l.topology.RenameEstablishment(ctx, r)
		return made{}, a.GetPosition(), err
	case *topologyv1.ChangeLegalEntityRequest:
		a, err := l.topology.ChangeLegalEntity(ctx, r)
		return made{}, a.GetPosition(), err
	case *topologyv1.AttachPlatformRequest:
		a, err := l.topology.AttachPlatform(ctx, r)
		return made{}, a.GetPosition(), err
	case *topologyv1.StateTerritoryRequest:
		a, err := l.topology.StateTerritory(ctx, r)
		return made{}, a.GetPosition(), err
	case *topologyv1.StateContactRequest:
		a, err := l.topology.StateContact(ctx, r)
		return made{}, a.GetPosition(), err
	case *topologyv1.DeclareLinkRequest:
		a, err := l.topology.DeclareLink(ctx, r)
		return made{}, a.GetPosition(), err
	case *topologyv1.RegisterPlanRequest:
		a, err := l.topology.RegisterPlan(ctx, r)
		return made{id: a.GetPlanId()}, a.GetPosition(), err
	case *topologyv1.StatePlanAxesRequest:
		a, err := l.topology.StatePlanAxes(ctx, r)
		return made{}, a.GetPosition(), err
	case *topologyv1.ExtendPlanRequest:
		a, err := l.topology.ExtendPlan(ctx, r)
		return made{}, a.GetPosition(), err
	case *activityv1.StateMissionsRequest:
		a, err := l.activity.StateMissions(ctx, r)
		if f, is := fault.FromStatus(err); is && f.Reason == "MISSIONS_UNCHANGED" {
			return made{}, 0, nil
		}
		return made{}, a.GetPosition(), err
	default:
		return l.sendLabelling(ctx, req)
	}
}

func (l *loader) sendLabelling(ctx context.Context, req proto.Message) (m made, position uint64, err error) {
	switch r := req.(type) {
	case *labellingv1.RegisterCycleRequest:
		a, err := l.labelling.RegisterCycle(ctx, r)
		return made{id: a.GetCycleId()}, a.GetPosition(), err
	case *labellingv1.RecordActRequest:
		a, err := l.labelling.RecordAct(ctx, r)
		return made{id: a.GetActId()}, a.GetPosition(), err
	case *labellingv1.GrantLabelRequest:
		a, err := l.labelling.GrantLabel(ctx, r)
		return made{id: a.GetLabelId(), site: a.GetSiteId()}, a.GetPosition(), err
	case *labellingv1.RenewLabelRequest:
		a, err := l.labelling.RenewLabel(ctx, r)
		return made{id: a.GetLabelId()}, a.GetPosition(), err
	case *labellingv1.ConfirmLabelRequest:
		a, err := l.labelling.ConfirmLabel(ctx, r)
		return made{}, a.GetPosition(), err
	case *labellingv1.OpenLabelRequest:
		a, err := l.labelling.OpenLabel(ctx, r)
		return made{}, a.GetPosition(), err
	case *labellingv1.TakeOfficeRequest:
		a, err := l.labelling.TakeOffice(ctx, r)
		return made{id: a.GetOfficeId()}, a.GetPosition(), err
	case *labellingv1.LeaveOfficeRequest:
		a, err := l.labelling.LeaveOffice(ctx, r)
		return made{}, a.GetPosition(), err
	case *labellingv1.ApproveOfficeRequest:
		a, err := l.labelling.ApproveOffice(ctx, r)
		return made{}, a.GetPosition(), err
	case *labellingv1.OpenCampaignRequest:
		a, err := l.labelling.OpenCampaign(ctx, r)
		return made{id: a.GetCampaignId()}, a.GetPosition(), err
	case *labellingv1.RecordOutcomeRequest:
		a, err := l.labelling.RecordOutcome(ctx, r)
		return made{}, a.GetPosition(), err
	case *labellingv1.RecordAssertionRequest:
		a, err := l.labelling.RecordAssertion(ctx, r)
		return made{}, a.GetPosition(), err
	default:
		return made{}, 0, fmt.Errorf("no RPC takes a %T", req)
	}
}
