// Package proto holds the schemas of the contract as text, for whoever reads events
// without having generated code from them.
package proto

import "embed"

// Sources are the .proto files, each under the path by which others import it.
//
//go:embed maillage
var Sources embed.FS
