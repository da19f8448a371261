package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	neturl "net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"maillage/services/eventlog"
)

const (
	streamName = "REGISTRY"
	subjects   = "registry.*.*.*"
	maxMessage = 80 << 10 // a leaf and its headers
)

// ConnectOptions say how to reach a broker.
type ConnectOptions struct {
	// Name is shown in the broker's connection lists.
	Name string
	// Replicas is the number of copies of a stream created, 0 for 1.
	Replicas int
	// Existing leaves it to another process to create the stream: where there is none,
	// the error wraps eventlog.ErrUnavailable.
	Existing bool
	// Credentials is the path of a NATS credentials file, or of one that holds the seed of
	// a user's key and nothing else; "" for none.
	Credentials string
	// Dial replaces the dialer. Tests break connections with it.
	Dial func(network, address string) (net.Conn, error)
	// Logger gets warnings; nil for slog.Default().
	Logger *slog.Logger
}

// Log is the register's log in the stream REGISTRY. It is safe for concurrent use
// and reconnects for ever.
type Log struct {
	log   *slog.Logger
	name  string     // of this Log among all
	write *nats.Conn // appends and requests
	read  *nats.Conn // bulk, over TCP: a pipe without a buffer is slower; hears not itself
	js    jetstream.JetStream

	// dials counts connections begun for reading. It moves before the first byte of
	// a new connection is read, so a reader that sees it unmoved has not met another.
	dials atomic.Uint64

	// sent is the last position that the latest append is to end at, and moved is told of
	// one that failed: a follower sees by them whose records are to come. Of several
	// followers one hears of it; the others wait for no more than ownPace.
	sent  atomic.Uint64
	moved chan struct{}

	lanesMu sync.Mutex
	lanes   []*lane

	head headServer
}

// Connect opens the log at a broker's URL (several may be given, separated by
// commas). It creates the stream, or refuses one whose settings endanger the law.
func Connect(ctx context.Context, url string, o ConnectOptions) (*Log, error) {
	return connect(ctx, url, o, nil)
}

// Open opens the log of an embedded server. Appends go in-process, which is a fifth
// faster than TCP; reading goes over loopback.
func (s *Server) Open(ctx context.Context) (*Log, error) {
	return connect(ctx, s.URL(), ConnectOptions{Logger: s.log}, s)
}

func connect(ctx context.Context, url string, o ConnectOptions, in *Server) (*Log, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Name == "" {
		o.Name = "maillage"
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: 2 * time.Second}).Dial
	}
	l := &Log{log: o.Logger, name: rand.Text(), moved: make(chan struct{}, 1)}
	opts := []nats.Option{
		nats.Name(o.Name),
		nats.ReconnectBufSize(-1), // nothing is sent later than its caller thinks
		nats.MaxReconnects(-1),
		nats.ReconnectWait(50 * time.Millisecond),
		nats.ReconnectJitter(20*time.Millisecond, 50*time.Millisecond),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			o.Logger.Warn("connection to the broker", "error", err)
		}),
	}
	var proof nats.Option
	var err error
	switch {
	case o.Credentials != "":
		proof, err = withCredentials(o.Credentials)
	case in != nil && in.gate != nil:
		proof, err = withSeed(in.seed)
	}
	if err != nil {
		return nil, fmt.Errorf("credentials for the broker: %w", err)
	}
	if proof != nil {
		opts = append(opts, proof)
	}
	writing := append(slices.Clone(opts),
		nats.SetCustomDialer(dialer(o.Dial)))
	if in != nil {
		writing = append(writing, nats.InProcessServer(in.ns))
	}
	reading := append(opts, nats.NoEcho(), nats.SetCustomDialer(dialer(func(network, address string) (net.Conn, error) {
		l.dials.Add(1)
		return o.Dial(network, address)
	})))
	if l.write, err = nats.Connect(url, writing...); err == nil {
		l.read, err = nats.Connect(url, reading...)
	}
	if err == nil {
		l.js, err = jetstream.New(l.write)
	}
	if err == nil {
		err = l.ensureStream(ctx, o)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("broker at %s: %w", Redacted(url), err)
	}
	return l, nil
}

// Redacted is the address of a broker, or of several, without passwords.
func Redacted(addresses string) string {
	all := strings.Split(addresses, ",")
	for i, a := range all {
		if u, err := neturl.Parse(strings.TrimSpace(a)); err == nil {
			all[i] = u.Redacted()
		}
	}
	return strings.Join(all, ",")
}

// Bare is the address of a broker, or of several, without accounts.
func Bare(addresses string) string {
	all := strings.Split(addresses, ",")
	for i, a := range all {
		if u, err := neturl.Parse(strings.TrimSpace(a)); err == nil {
			u.User = nil
			all[i] = u.String()
		}
	}
	return strings.Join(all, ",")
}

type dialer func(network, address string) (net.Conn, error)

func (d dialer) Dial(network, address string) (net.Conn, error) { return d(network, address) }

// Close closes the connections. Iterators still running end with an error.
func (l *Log) Close() {
	for _, c := range []*nats.Conn{l.write, l.read} {
		if c != nil {
			c.Close()
		}
	}
}

// ErrSettings says that the stream's settings endanger the law of the log.
var ErrSettings = errors.New("the stream has other settings than the register needs")

func streamConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               streamName,
		Subjects:           []string{subjects},
		Storage:            jetstream.FileStorage,
		Replicas:           replicas,
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardNew,
		MaxMsgs:            -1,
		MaxBytes:           -1,
		MaxMsgsPerSubject:  -1,
		MaxMsgSize:         maxMessage,
		Duplicates:         100 * time.Millisecond, // no message ids are sent
		DenyDelete:         true,
		DenyPurge:          true,
		AllowDirect:        true,
		AllowAtomicPublish: true,
		Compression:        jetstream.NoCompression,
	}
}

func (l *Log) ensureStream(ctx context.Context, o ConnectOptions) error {
	s, err := l.js.Stream(ctx, streamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if o.Existing {
			return fmt.Errorf("%w: there is no stream %s", eventlog.ErrUnavailable, streamName)
		}
		s, err = l.js.CreateStream(ctx, streamConfig(max(o.Replicas, 1)))
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", streamName, err)
	}
	return checkSettings(s.CachedInfo().Config, streamConfig(1))
}

// checkSettings compares what could lose, alter or refuse records.
func checkSettings(c, want jetstream.StreamConfig) error {
	var bad []error
	differs := func(name string, differs bool) {
		if differs {
			bad = append(bad, errors.New(name))
		}
	}
	differs("subjects", !slices.Equal(c.Subjects, want.Subjects))
	differs("storage", c.Storage != want.Storage)
	differs("retention", c.Retention != want.Retention)
	differs("discard", c.Discard != want.Discard || c.DiscardNewPerSubject)
	differs("max_msgs", c.MaxMsgs > 0)
	differs("max_bytes", c.MaxBytes > 0)
	differs("max_age", c.MaxAge != 0)
	differs("max_msgs_per_subject", c.MaxMsgsPerSubject > 0)
	differs("max_msg_size", c.MaxMsgSize > 0 && c.MaxMsgSize < want.MaxMsgSize)
	differs("deny_delete", !c.DenyDelete)
	differs("deny_purge", !c.DenyPurge)
	differs("allow_direct", want.AllowDirect && !c.AllowDirect)
	differs("allow_atomic", !c.AllowAtomicPublish)
	differs("allow_rollup_hdrs", c.AllowRollup)
	differs("allow_msg_ttl", c.AllowMsgTTL)
	differs("persist_mode", c.PersistMode != want.PersistMode)
	differs("no_ack", c.NoAck)
	differs("sealed", c.Sealed)
	differs("first_seq", c.FirstSeq > 1)
	differs("subject_transform", c.SubjectTransform != nil)
	differs("mirror or sources", c.Mirror != nil || len(c.Sources) > 0)
	if len(bad) > 0 {
		return fmt.Errorf("stream %s: %w:\n%w", want.Name, ErrSettings, errors.Join(bad...))
	}
	return nil
}

// Head implements eventlog.Log; the clock is the broker's.
func (l *Log) Head(ctx context.Context) (uint64, time.Time, error) {
	info, err := l.info(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	return info.State.LastSeq, info.TimeStamp, nil
}

func (l *Log) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	s, err := l.js.Stream(ctx, streamName) // one request for the stream's info
	if notSent(err) {
		return nil, fmt.Errorf("%w: %w", eventlog.ErrUnavailable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", streamName, err)
	}
	return s.CachedInfo(), nil
}

var _ eventlog.Log = (*Log)(nil)
