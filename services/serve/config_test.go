package serve

import (
	"net"
	"testing"
)

// What is not said to be open to others is open to this machine alone.
func TestLoopbackByDefault(t *testing.T) {
	c := Config{}.withDefaults()
	for name, address := range map[string]string{"NATS": c.NATS, "gRPC": c.GRPC, "HTTP": c.HTTP} {
		host, _, err := net.SplitHostPort(address)
		if err != nil || !net.ParseIP(host).IsLoopback() {
			t.Errorf("%s listens on %s", name, address)
		}
	}
}
