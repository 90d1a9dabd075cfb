package plane

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Temporary folders of control planes have the first name until they are locked, and the second one from
// then on.
const (
	newFolderPrefix = "patrol-new-control-plane-"
	folderPrefix    = "patrol-control-plane-"
)

// makeFolder makes the temporary folder of a control plane and its lock, which must be held for as long
// as the folder is used. It removes the folders that killed control planes left behind: their locks are
// free.
func makeFolder() (string, *os.File, error) {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*"))
	for _, folder := range left {
		if lock, err := lockFolder(folder, 0); err == nil {
			_ = os.RemoveAll(folder)
			_ = lock.Close()
		}
	}
	made, err := os.MkdirTemp("", newFolderPrefix)
	if err != nil {
		return "", nil, err
	}
	lock, err := lockFolder(made, os.O_CREATE)
	if err != nil {
		return "", nil, err
	}
	folder := filepath.Join(os.TempDir(), folderPrefix+strings.TrimPrefix(filepath.Base(made), newFolderPrefix))
	return folder, lock, os.Rename(made, folder)
}

// lockFolder takes the lock of a control plane's folder without waiting. The file stays open, and the
// lock is kept, until it is closed or this program ends.
func lockFolder(folder string, create int) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_RDWR|create, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}
