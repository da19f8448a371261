package main

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// Search is the flags of a list of entities.
type Search struct {
	Text string `placeholder:"MOTS" help:"Mots du nom, d'un code ou d'un identifiant, sans accents ni casse ; un mot inconnu de quatre lettres ou plus vaut pour le plus ressemblant."`
	Moment
}

// Lookup is the flags of the reading of one entity.
type Lookup struct {
	ID id `arg:"" help:"Identifiant."`
	Moment
}

// answer is what the registry says of one entity or a page of them.
type answer interface {
	GetResolved() *registryv1.Resolved
}

// listing is a page of answers.
type listing interface {
	answer
	GetNextPageToken() string
}

// listOf lists one kind of entity as a table t: method is its List RPC, request makes its
// request for a page, items takes the entities out of the answer.
func listOf[Req any, Res listing, T proto.Message](a *app, t table[T],
	method func(registryv1.RegistryServiceClient, context.Context, Req, ...grpc.CallOption) (Res, error),
	request func(token string) Req, items func(Res) []T,
) error {
	return list(a, t, func(ctx context.Context, conn grpc.ClientConnInterface, token string) (page[T], error) {
		r, err := method(registryv1.NewRegistryServiceClient(conn), ctx, request(token))
		if err != nil {
			return page[T]{}, err
		}
		return page[T]{items: items(r), next: r.GetNextPageToken(), resolved: r.GetResolved()}, nil
	})
}

// getOf shows one entity: method is its Get RPC.
func getOf[Req any, Res answer, T proto.Message](a *app,
	method func(registryv1.RegistryServiceClient, context.Context, Req, ...grpc.CallOption) (Res, error), request Req, item func(Res) T,
) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := method(registryv1.NewRegistryServiceClient(conn), ctx, request)
		if err != nil {
			return err
		}
		return a.show(item(r), r.GetResolved())
	})
}

// evidence is the column that says how well a row is known, by its latest basis.
func evidence[T interface{ GetBasis() []*eventv1.Basis }]() column[T] {
	return column[T]{"Preuve", whole, func(x T) string { return latestEvidence(x.GetBasis()) }}
}

func latestEvidence(all []*eventv1.Basis) string {
	if len(all) == 0 {
		return ""
	}
	return inFrench(evidenceWords, all[len(all)-1].GetEvidence())
}

// sameMoment asks for the moment that an answer speaks for.
func sameMoment(at *registryv1.Resolved) *registryv1.AsOf {
	return &registryv1.AsOf{ValidAt: at.GetValidAt(), KnownAt: &registryv1.AsOf_KnownPosition{KnownPosition: at.GetKnownPosition()}}
}

// hospitals are the establishments of a list's moment, by id.
type hospitals map[string]*topologyv1.Establishment

func (h hospitals) fetch(ctx context.Context, conn grpc.ClientConnInterface, at *registryv1.Resolved) error {
	registry := registryv1.NewRegistryServiceClient(conn)
	for token := ""; ; {
		r, err := registry.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{AsOf: sameMoment(at), PageSize: pageSize, PageToken: token})
		if err != nil {
			return err
		}
		for _, e := range r.GetEstablishments() {
			h[e.GetEstablishmentId()] = e
		}
		if token = r.GetNextPageToken(); token == "" {
			return nil
		}
	}
}

// names are the names of establishments; an id stands for one that is not known.
func (h hospitals) names(ids ...string) string {
	var out []string
	for _, i := range ids {
		name := h[i].GetName()
		if name == "" {
			name = i
		}
		out = append(out, name)
	}
	return joined(", ", out...)
}

// place is where something is: by itself, or else by the establishments it is in.
func (h hospitals) place(own *topologyv1.Place, ids []string) string {
	if text := placeText(own); text != "" {
		return text
	}
	var out []string
	for _, i := range ids {
		if text := placeText(h[i].GetPlace()); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return joined(" ; ", out...)
}

// acronyms are those of the filières of a list's moment, by id.
type acronyms map[string]string

func (f acronyms) fetch(ctx context.Context, conn grpc.ClientConnInterface, at *registryv1.Resolved) error {
	registry := registryv1.NewRegistryServiceClient(conn)
	for token := ""; ; {
		r, err := registry.ListFilieres(ctx, &registryv1.ListFilieresRequest{AsOf: sameMoment(at), PageSize: pageSize, PageToken: token})
		if err != nil {
			return err
		}
		for _, x := range r.GetFilieres() {
			f[x.GetFiliereId()] = x.GetAcronym()
		}
		if token = r.GetNextPageToken(); token == "" {
			return nil
		}
	}
}

// command sends one command and prints what is recorded: client makes the service's
// client, method is the RPC, id takes from the answer the id of what was made.
func command[C any, Req any, Res interface {
	proto.Message
	GetPosition() uint64
}](a *app, client func(grpc.ClientConnInterface) C, method func(C, context.Context, Req, ...grpc.CallOption) (Res, error), request Req, what string, id func(Res) string,
) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := method(client(conn), ctx, request)
		if err != nil {
			return err
		}
		return a.recorded(r, what, id(r))
	})
}
