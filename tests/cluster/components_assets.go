//go:build assets

// The small build for machines that bring their own etcd and kube-apiserver in KUBEBUILDER_ASSETS:
// nothing of Kubernetes is compiled in.

package main

import (
	"fmt"
	"os"
)

// embedded says that this build cannot run the components itself.
const embedded = false

// runComponent refuses: this build has no components.
func runComponent(name string, _ []string) int {
	fmt.Fprintf(os.Stderr, "%q is not in this build (tag `assets`): set KUBEBUILDER_ASSETS and use `up`\n", name)
	return 2
}
