/* SPDX-License-Identifier: MIT */
/* The VFS by its kernel-side interface: what has no system call of its own. */
#include <maestro/kernel.h>
#include <maestro/slab.h>
#include <maestro/vfs.h>

#include "ktest.h"

static const char *kernel_mount(void)
{
	struct mount *m;
	struct path at, out, found;
	struct file *f;
	char buf[8];

	EXPECT(!mount_kernel(fs_find("tmpfs"), "none", 0, NULL, &m));
	at = (struct path){m, m->root};
	EXPECT(!vfs_create(&at, "a", S_IFREG | 0600, &out));
	EXPECT(!file_open_path(&out, O_RDWR, NULL, &f));
	EXPECT(file_write_kernel(f, "hello", 5, 0) == 5 && file_read_kernel(f, buf, 8, 1) == 4 && !memcmp(buf, "ello", 4));
	file_put(f);
	EXPECT(kerr_code(vfs_create(&at, "a", S_IFREG | 0600, &found)) == -EEXIST);
	EXPECT(!path_lookup_at(&at, "a", LOOKUP_FOLLOW, &found) && found.dentry->inode == out.dentry->inode);
	path_put(&found);
	EXPECT(!vfs_unlink(&at, "a") && kerr_code(path_lookup_at(&at, "a", 0, &found)) == -ENOENT);
	path_put(&out);
	mount_put(m);
	return NULL;
}

KTEST_SUITE(vfs, "vfs inside", {"a mount of the kernel's own", kernel_mount});
