package serve

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/consumer"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/feed"
	"maillage/services/projection"
	"maillage/services/submit"
)

// consumersLook is how often it is looked whether the broker goes by what the log says of
// consumers. A command does not wait for it: it is for what failed, or was recorded late.
const consumersLook = 200 * time.Millisecond

// consumers makes the broker go by what the log says of those who may follow there. Only
// the process of the gating ledger does: it alone records such facts.
type consumers struct {
	mu      sync.Mutex
	current bool // the broker goes by what is applied
	applied []*feedv1.Consumer

	opened      bool               // the stream of CloudEvents is asked for, and was compared with the log
	stopFilling context.CancelFunc // nil while nothing fills it

	once sync.Once
	feed *feed.Feed // that it is filled from, in a process that hands on no other
}

// accounts are consumers as the broker knows them.
func accounts(all []*feedv1.Consumer) []jetstream.Account {
	out := make([]jetstream.Account, len(all))
	for i, c := range all {
		out[i] = jetstream.Account{Name: c.GetName(), Key: c.GetPublicKey(), Contexts: c.GetContexts(), Added: c.GetPosition(), Mirror: c.GetCloudEvents()}
	}
	return out
}

// consumersAt are those who may follow, once a position can be read.
func (p *process) consumersAt(ctx context.Context, least uint64) (all []*feedv1.Consumer, at uint64, err error) {
	err = p.runner.View(ctx, least, func(head uint64) error {
		all, at = p.state.Consumers.All(head), head
		return nil
	})
	return all, at, err
}

// settleConsumers makes the broker go by what the log says, up to a position at least.
// Whoever may no longer follow is cut before his durable is deleted.
func (p *process) settleConsumers(ctx context.Context, least uint64) error {
	c := &p.consumers
	c.mu.Lock()
	defer c.mu.Unlock()
	all, _, err := p.consumersAt(ctx, least)
	if err != nil {
		return err
	}
	same := slices.EqualFunc(all, c.applied, func(a, b *feedv1.Consumer) bool { return proto.Equal(a, b) })
	if same && c.current {
		return nil
	}
	c.current = false
	var unopened error
	if cloudEvents(all) && !c.opened { // before anybody is let in to what no longer stands
		unopened = p.openMirror(ctx)
		c.opened = unopened == nil
	}
	if p.broker != nil {
		if err := p.broker.Admit(accounts(all)); err != nil {
			return err
		}
	}
	if err := p.log.KeepDurables(ctx, accounts(all)); err != nil {
		return err
	}
	if unopened != nil {
		return unopened
	}
	if !cloudEvents(all) {
		if err := p.dropMirror(ctx); err != nil {
			return err
		}
	}
	c.applied, c.current = all, true
	return nil
}

// startConsumers sees to it that the broker goes by what the log says; stop ends that.
func (p *process) startConsumers(running context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(running)
	var keeping sync.WaitGroup
	if p.config.gates() {
		keeping.Go(func() { p.keepConsumers(ctx) })
		keeping.Go(func() { p.keepMirror(ctx) })
	}
	return func() { cancel(); keeping.Wait() }
}

func (p *process) keepConsumers(ctx context.Context) {
	look := time.NewTicker(consumersLook)
	defer look.Stop()
	said := ""
	for {
		attempt, cancel := context.WithTimeout(ctx, bindTime)
		err := p.settleConsumers(attempt, 0)
		cancel()
		switch {
		case err == nil:
			said = ""
		case ctx.Err() == nil && said != err.Error():
			said = err.Error()
			slog.WarnContext(ctx, "the broker does not go by the list of consumers yet", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// consumerServer implements feedv1.ConsumerServiceServer.
type consumerServer struct {
	feedv1.UnsafeConsumerServiceServer
	p    *process
	desk *submit.Desk
}

// AddConsumer implements feedv1.ConsumerServiceServer.
func (s *consumerServer) AddConsumer(ctx context.Context, req *feedv1.AddConsumerRequest) (*feedv1.AddConsumerResponse, error) {
	if !jetstream.IsPublicKey(req.GetPublicKey()) {
		return nil, fault.New(fault.Invalid, "CONSUMER_KEY_INVALID", "public_key", "%q is no public key of a user: its check fails.", req.GetPublicKey())
	}
	url := s.p.consumersURL()
	if url == "" {
		return nil, fault.New(fault.Refused, "BROKER_CLOSED", "", "The broker is open to this process alone: start it with an address to listen on.")
	}
	name := req.GetName()
	position, err := s.submit(ctx, req, name, func() (*ledgerv1.Event, error) {
		added, err := consumer.Add(&s.p.state.Consumers, req)
		return &ledgerv1.Event{Meta: &eventv1.Meta{Basis: req.GetBasis()}, Fact: &ledgerv1.Event_ConsumerAdded{ConsumerAdded: added}}, err
	})
	if err != nil {
		return nil, err
	}
	all, _, err := s.p.consumersAt(ctx, position)
	if err != nil {
		return nil, err
	}
	stream := jetstream.StreamName
	if req.GetCloudEvents() {
		stream = jetstream.MirrorName
	}
	return &feedv1.AddConsumerResponse{Position: position, BrokerSettings: s.p.brokerSettings(all), Access: &feedv1.Access{
		Url: url, ApiPrefix: jetstream.APIPrefix, Stream: stream, Durable: name,
		HeadSubject: jetstream.HeadSubject, HeadGetSubject: jetstream.HeadGetSubject,
	}}, nil
}

// RemoveConsumer implements feedv1.ConsumerServiceServer.
func (s *consumerServer) RemoveConsumer(ctx context.Context, req *feedv1.RemoveConsumerRequest) (*feedv1.RemoveConsumerResponse, error) {
	position, err := s.submit(ctx, req, req.GetName(), func() (*ledgerv1.Event, error) {
		removed, err := consumer.Remove(&s.p.state.Consumers, req)
		return &ledgerv1.Event{Meta: &eventv1.Meta{Basis: req.GetBasis()}, Fact: &ledgerv1.Event_ConsumerRemoved{ConsumerRemoved: removed}}, err
	})
	if err != nil {
		return nil, err
	}
	all, _, err := s.p.consumersAt(ctx, position)
	if err != nil {
		return nil, err
	}
	return &feedv1.RemoveConsumerResponse{Position: position, BrokerSettings: s.p.brokerSettings(all)}, nil
}

// submit has a fact about a consumer decided and appended, and makes the broker go by it.
func (s *consumerServer) submit(ctx context.Context, req submit.Request, name string, decide func() (*ledgerv1.Event, error)) (position uint64, err error) {
	if err := s.ownVault(ctx); err != nil {
		return 0, err
	}
	commit, err := s.desk.Submit(ctx, req, nil, func([]*eventv1.PersonalValue) ([]projection.Event, error) {
		e, err := decide()
		if err != nil {
			return nil, err
		}
		return []projection.Event{{Subject: consumer.Subject(name), Message: e, Meta: e.GetMeta()}}, nil
	})
	if err != nil {
		return 0, err
	}
	if err := s.p.settleConsumers(ctx, commit.Last); err != nil {
		return 0, fault.New(fault.Unavailable, "BROKER_BEHIND", "", "It is recorded at position %d; the broker does not go by it yet: %v", commit.Last, err)
	}
	return commit.Last, nil
}

// ownVault refuses a command where the vault of this process is not the log's: the account
// of whoever gives it would be another, and so would the digest of the request.
func (s *consumerServer) ownVault(ctx context.Context) error {
	return s.p.runner.View(ctx, 0, func(uint64) error {
		if id := s.p.state.Identity(); id.Vault != s.p.vault.Check(id.LogID) {
			return fault.New(fault.Refused, "VAULT_OTHER", "", "the vault of the process that keeps the ledger is not the one that belongs to this log")
		}
		return nil
	})
}

// ListConsumers implements feedv1.ConsumerServiceServer.
func (s *consumerServer) ListConsumers(ctx context.Context, req *feedv1.ListConsumersRequest) (*feedv1.ListConsumersResponse, error) {
	all, at, err := s.p.consumersAt(ctx, req.GetMinPosition())
	if err != nil {
		return nil, err
	}
	reached, err := s.p.log.Acknowledged(ctx, accounts(all))
	if err != nil {
		return nil, err
	}
	out := &feedv1.ListConsumersResponse{Position: at, BrokerSettings: s.p.brokerSettings(all)}
	for _, c := range all {
		c = proto.CloneOf(c)
		c.AcknowledgedPosition = reached[c.GetName()]
		out.Consumers = append(out.Consumers, c)
	}
	return out, nil
}

// consumersURL is where consumers find the broker, empty where it is closed to them.
func (p *process) consumersURL() string {
	switch {
	case p.broker == nil:
		return jetstream.Bare(p.config.URL)
	case p.config.NATS == natsOff:
		return ""
	}
	return p.broker.URL()
}

// brokerSettings are what an outside broker must be told of consumers.
func (p *process) brokerSettings(all []*feedv1.Consumer) string {
	if p.broker != nil {
		return ""
	}
	return jetstream.Settings(accounts(all))
}
