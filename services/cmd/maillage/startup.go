package main

import (
	"errors"
	"io/fs"
	"net"
	"regexp"
	"strings"
	"syscall"

	"maillage/services/ledger"
)

var listenAddress = regexp.MustCompile(`listen tcp4? (\S+): |listening on port: ([^\s,]+)`)

// startFault says in French why a process cannot start, and is empty where err is
// something else.
func startFault(err error) string {
	said := err.Error()
	path, isPath := errors.AsType[*fs.PathError](err)
	_, isNet := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) || strings.Contains(said, "address already in use"):
		flag := listenFlag(said)
		return address(said) + " est déjà prise : un registre tourne peut-être déjà ici ; arrêtez-le, ou donnez une autre adresse avec " + flag
	case isNet && errors.Is(err, fs.ErrPermission):
		return address(said) + " demande des droits que ce compte n'a pas : donnez un port d'au moins 1024 avec " + listenFlag(said)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return address(said) + " n'est pas de cette machine : donnez-en une autre avec " + listenFlag(said)
	case errors.Is(err, ledger.ErrLocked):
		return "un autre processus tient déjà ce grand livre : arrêtez-le, ou donnez un autre répertoire (--data)"
	case errors.Is(err, syscall.EWOULDBLOCK):
		return "un autre processus se sert déjà de ces données : arrêtez-le, ou donnez un autre répertoire avec --data [" + said + "]"
	case isPath && errors.Is(err, fs.ErrPermission):
		return path.Path + " : accès refusé ; donnez à ce compte le droit d'y lire et d'y écrire, ou choisissez un autre répertoire avec --data"
	case isPath && errors.Is(err, syscall.ENOTDIR), isPath && errors.Is(err, fs.ErrExist):
		return path.Path + " n'est pas un répertoire : choisissez-en un autre avec --data"
	case isPath && errors.Is(err, fs.ErrNotExist):
		return path.Path + " n'existe pas et ne peut être créé : choisissez un autre répertoire avec --data"
	case isPath && errors.Is(err, syscall.EROFS):
		return path.Path + " : ce disque est en lecture seule ; choisissez un autre répertoire avec --data"
	case errors.Is(err, syscall.ENOSPC):
		return "le disque est plein : faites de la place, puis recommencez [" + said + "]"
	}
	return ""
}

// listenFlag is the flag of the address that could not be listened on.
func listenFlag(said string) string {
	switch {
	case strings.HasPrefix(said, "gRPC"):
		return "--grpc HÔTE:PORT"
	case strings.HasPrefix(said, "HTTP"):
		return "--http HÔTE:PORT"
	default:
		return "--nats HÔTE:PORT"
	}
}

func address(said string) string {
	if m := listenAddress.FindStringSubmatch(said); m != nil {
		return "l'adresse " + m[1] + m[2]
	}
	return "cette adresse"
}
