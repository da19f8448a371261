// Package web is the register over HTTP: every read as a resource, and the feed in pages
// and as server-sent events. It is a client of the gRPC server that it stands before, and
// passes through all that guards that one; commands are not offered.
package web

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	contract "maillage/proto"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
)

const (
	// MaxHeader is the size of all headers of a request, in bytes, that a server should take.
	MaxHeader = 64 << 10
	maxURL    = 32 << 10 // a thousand ids fit

	maxAnswer = 256 << 20 // of the gRPC server, in bytes: a map of many years
	deadline  = 30 * time.Second
	patience  = 30 * time.Second

	streamWindow = 256 << 10 // bytes that wait in memory for one reader of the stream
	connWindow   = 16 << 20  // and for all of them
)

// Config says what stands behind a Handler. The first field is required.
type Config struct {
	// GRPC is host:port of the server that answers.
	GRPC string
	// Ready says why the process cannot be asked now, nil where it can. May be nil.
	Ready func() error
	// URL is where others reach the handler, https://host without a path; where it is empty
	// each request says so by its Host.
	URL string
	// More are further reads of the process, each by its path: all below it where that ends
	// with a slash. Whoever takes minutes to answer sets the deadline for it. May be nil.
	More map[string]http.HandlerFunc
	// Stopping is closed when the process begins to stop: what waits is answered then. Nil:
	// it never does.
	Stopping <-chan struct{}
	// Patience is how long a reader of the stream may leave what is sent to it untaken; 30 s.
	Patience time.Duration
}

// Handler answers over HTTP.
type Handler struct {
	config Config
	conn   *grpc.ClientConn
	ledger ledgerv1.LedgerServiceClient
	feed   feedv1.FeedServiceClient
	proofs ledgerv1.ProofServiceClient
	all    http.Handler
}

// New returns the handler. It connects when it is first asked.
func New(c Config) (*Handler, error) {
	if c.Patience == 0 {
		c.Patience = patience
	}
	conn, err := grpc.NewClient(c.GRPC,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithStaticStreamWindowSize(streamWindow), grpc.WithStaticConnWindowSize(connWindow),
	)
	if err != nil {
		return nil, fmt.Errorf("HTTP: %w", err)
	}
	h := &Handler{config: c, conn: conn, ledger: ledgerv1.NewLedgerServiceClient(conn), feed: feedv1.NewFeedServiceClient(conn), proofs: ledgerv1.NewProofServiceClient(conn)}
	reads, err := newReads(h)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	shrink, err := gzhttp.NewWrapper(gzhttp.MinSize(1400)) // what fits a packet gains nothing
	if err != nil {
		return nil, errors.Join(fmt.Errorf("HTTP: %w", err), conn.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/{$}", get(h.index))
	mux.Handle("/openapi.json", shrink(get(h.openAPI)))
	mux.Handle("/schemas/{path...}", shrink(get(h.schema)))
	mux.Handle("/healthz", get(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	mux.Handle("/readyz", get(h.ready))
	pages := shrink(get(h.listEvents))
	mux.Handle("/v1/events", get(func(w http.ResponseWriter, r *http.Request) {
		if accepts(r, "text/event-stream") {
			h.stream(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}))
	mux.Handle("/v1/events:stream", get(h.stream))
	mux.Handle("/v1/events/{position}", shrink(get(h.getEvent)))
	mux.Handle("/", shrink(reads))
	for path, more := range c.More {
		mux.Handle(path, get(more))
	}
	h.all = otelhttp.NewHandler(edge(mux), "HTTP", otelhttp.WithFilter(func(r *http.Request) bool {
		return r.URL.Path != "/healthz" && r.URL.Path != "/readyz"
	}))
	return h, nil
}

// Close releases what the handler holds. Nothing may be asked of it any more.
func (h *Handler) Close() error { return h.conn.Close() }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.all.ServeHTTP(w, r) }

// tracePath puts into the trace of a request the path that is offered in place of the one that
// was asked for, which may name a person: what is traced is kept where nothing is erased.
func tracePath(r *http.Request, offered string) {
	trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("url.path", offered))
}

// edge is what holds for every request. All that is offered can be read by any page of the
// web: there are no credentials that a page could borrow.
func edge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tracePath(r, "")
		head := w.Header()
		head.Set("Access-Control-Allow-Origin", "*")
		head.Set("Access-Control-Expose-Headers", "Accept-Ranges, Content-Length, Content-Range, ETag, Link, Maillage-Position, Repr-Digest, Retry-After")
		head.Set("X-Content-Type-Options", "nosniff")
		switch {
		case len(r.RequestURI) > maxURL:
			newProblem(http.StatusRequestURITooLong, "URL_TOO_LONG", "", "an address has 32 KiB at most").write(w)
		case r.Method == http.MethodOptions:
			head.Set("Allow", methods)
			head.Set("Access-Control-Allow-Methods", methods)
			head.Set("Access-Control-Allow-Headers", "Accept, Cache-Control, If-None-Match, If-Range, Last-Event-ID, Prefer, Range, Traceparent, Tracestate")
			head.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodHead: // the server leaves the body out
			asked := r.WithContext(context.WithValue(r.Context(), headKey{}, true))
			asked.Method = http.MethodGet
			next.ServeHTTP(w, asked)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

const methods = "GET, HEAD, OPTIONS"

type headKey struct{}

// onlyHead says whether nothing but the headers is asked for.
func onlyHead(r *http.Request) bool { return r.Context().Value(headKey{}) != nil }

// get refuses every other method.
func get(f http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			refuseMethod(w)
			return
		}
		f(w, r)
	})
}

func refuseMethod(w http.ResponseWriter) {
	w.Header().Set("Allow", methods)
	newProblem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "", "only reads are offered over HTTP: GET").write(w)
}

// accepts says whether a request names a media type.
func accepts(r *http.Request, mediaType string) bool {
	for _, line := range r.Header.Values("Accept") {
		for one := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(one, ";")
			if strings.EqualFold(strings.TrimSpace(name), mediaType) {
				return true
			}
		}
	}
	return false
}

// ready answers as plain text: the process can be asked, or what it waits for.
func (h *Handler) ready(w http.ResponseWriter, _ *http.Request) {
	if h.config.Ready != nil {
		if err := h.config.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

//go:embed index.html
var index []byte

func (h *Handler) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(index)
}

//go:embed openapi.json
var openAPI []byte

func (h *Handler) openAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", contractTag)
	if matches(r, contractTag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(openAPI)
}

// schema is the text of a schema that the contract holds.
func (h *Handler) schema(w http.ResponseWriter, r *http.Request) {
	text, err := fs.ReadFile(contract.Sources, r.PathValue("path"))
	if err != nil {
		newProblem(http.StatusNotFound, "SCHEMA_UNKNOWN", "", "no schema of the contract has this path").write(w)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", contractTag)
	if matches(r, contractTag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(text)
}

// base is the address under which a request reached the handler, without a slash at its end.
func (h *Handler) base(r *http.Request) string {
	switch {
	case h.config.URL != "":
		return strings.TrimSuffix(h.config.URL, "/")
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
