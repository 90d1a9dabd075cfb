// Patrol-control-plane is the Kubernetes control plane that Patrol's tests and benchmarks run against:
// etcd, kube-apiserver and kube-controller-manager in one program, without nodes, without containers.
//
//	patrol-control-plane up [--folder DIR] [--kubeconfig FILE] [--apiserver-arg ARG]…
//	patrol-control-plane etcd|kube-apiserver|kube-controller-manager ARG…
//
// `up` starts the three as child processes of itself; README.md says how to talk to it. Everything about
// processes, ports and credentials is in internal/plane, which needs the standard library only.
package main

import (
	"fmt"
	"os"
	"runtime"

	"patrol.test/cluster/internal/plane"
)

// The kernel ends a child when the thread that started it ends, so all children are started from the
// main thread.
func init() {
	runtime.LockOSThread()
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: patrol-control-plane up|etcd|kube-apiserver|kube-controller-manager ARG…")
		os.Exit(2)
	}
	if os.Args[1] == "up" {
		os.Exit(plane.Main(os.Args[2:], embedded))
	}
	os.Exit(runComponent(os.Args[1], os.Args[2:]))
}
