//go:build !assets

// The Kubernetes components that this program can be: an embedded etcd, kube-apiserver and
// kube-controller-manager, one a process, chosen by subcommand. Flags go through unchanged, so the
// command lines are those of the upstream binaries; etcd knows only the few flags that the control plane
// needs.

package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // registers the clients' metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // registers the version metric
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// embedded says that this build can run the components itself.
const embedded = true

// runComponent runs the named component until it ends and returns its exit code.
func runComponent(name string, args []string) int {
	switch name {
	case "etcd":
		if err := runEtcd(args); err != nil {
			fmt.Fprintln(os.Stderr, "etcd:", err)
			return 1
		}
		return 0
	case "kube-apiserver":
		return runCobra(apiserver.NewAPIServerCommand(), args)
	case "kube-controller-manager":
		return runCobra(controllers.NewControllerManagerCommand(), args)
	default:
		fmt.Fprintf(os.Stderr, "unknown component %q\n", name)
		return 2
	}
}

func runCobra(command *cobra.Command, args []string) int {
	command.SetArgs(args)
	return cli.Run(command)
}

// runEtcd runs a single-member etcd until a signal or a fault ends it.
func runEtcd(args []string) error {
	flags := flag.NewFlagSet("etcd", flag.ContinueOnError)
	dataDir := flags.String("data-dir", "", "folder of the data")
	clientURL := flags.String("listen-client-urls", "", "URL that clients are served on")
	advertised := flags.String("advertise-client-urls", "", "URL that is told to clients")
	peerURL := flags.String("listen-peer-urls", "", "URL that peers are served on")
	unsafeNoFsync := flags.Bool("unsafe-no-fsync", false, "do not wait for the disk")
	logLevel := flags.String("log-level", "warn", "least level of log lines")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client, err := url.Parse(*clientURL)
	if err != nil {
		return err
	}
	told, err := url.Parse(*advertised)
	if err != nil {
		return err
	}
	peer, err := url.Parse(*peerURL)
	if err != nil {
		return err
	}

	cfg := embed.NewConfig()
	cfg.Dir = *dataDir
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*told}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.UnsafeNoFsync = *unsafeNoFsync
	// The binary's default; without it every request counts as slow and is logged.
	cfg.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration
	cfg.LogLevel = *logLevel
	cfg.LogOutputs = []string{"stderr"}
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	defer server.Close()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-signals:
		return nil
	case err := <-server.Err():
		return err
	case <-server.Server.StopNotify():
		return fmt.Errorf("server stopped by itself")
	}
}
