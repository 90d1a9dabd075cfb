//go:build !linux

package plane

import "syscall"

// childAttributes has nothing like Linux' parent death signal to set: a control plane that is itself
// killed with SIGKILL leaves its components behind.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{}
}
