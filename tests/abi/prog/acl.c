// SPDX-License-Identifier: MIT
/* POSIX access control lists: acl(5). */
#include "../abi.h"
#include <grp.h>
#include <sys/xattr.h>

static void test_list(void)
{
	/* Version 2; user rwx, user 1000 r, group r, mask r, other none. */
	static const uint32_t acl[] = { 2, 0x00070001, ~0u, 0x00040002, 1000, 0x00040004, ~0u, 0x00040010, ~0u, 0x00000020, ~0u };
	char buf[100];
	struct stat st;

	CALL("acl get", getxattr("x", "system.posix_acl_access", buf, sizeof(buf)));
	CALL("acl bad", setxattr("x", "system.posix_acl_access", "1", 1, 0));
	CALL("acl set", setxattr("x", "system.posix_acl_access", acl, sizeof(acl), 0));
	stat("x", &st);
	HEX("mode", st.st_mode);
	CALL("acl back", getxattr("x", "system.posix_acl_access", buf, sizeof(buf)));
	CHILD("named user", setuid(1000); CALL("read", open("x", O_RDONLY) >= 0); CALL("write", open("x", O_WRONLY)));
	CHILD("others", setuid(1001); CALL("read", open("x", O_RDONLY)));
	CALL("default on file", setxattr("x", "system.posix_acl_default", acl, sizeof(acl), 0));
	mkdir("ad", 0755);
	CALL("default on dir", setxattr("ad", "system.posix_acl_default", acl, sizeof(acl), 0));
	abi_file("ad/f", "", 0666);
	stat("ad/f", &st);
	HEX("inherited mode", st.st_mode);
	CALL("inherited", getxattr("ad/f", "system.posix_acl_access", buf, sizeof(buf)));
	CALL("remove", removexattr("x", "system.posix_acl_access"));
}

/* The mode and the list keep step; what is no list is refused. */
static void test_mode(void)
{
	static const uint32_t minimal[] = { 2, 0x00060001, ~0u, 0x00040004, ~0u, 0x00000020, ~0u };
	static const uint32_t no_mask[] = { 2, 0x00060001, ~0u, 0x00040002, 1000, 0x00040004, ~0u, 0x00000020, ~0u };
	static const uint32_t order[] = { 2, 0x00040004, ~0u, 0x00060001, ~0u, 0x00000020, ~0u };
	static const uint32_t groups[] = { 2, 0x00060001, ~0u, 0x00000004, ~0u, 0x00060008, 50, 0x00040008, 60, 0x00070010, ~0u, 0x00070020, ~0u };
	char buf[100];
	struct stat st;

	abi_file("m", "", 0640);
	CALL("minimal", setxattr("m", "system.posix_acl_access", minimal, sizeof(minimal), 0));
	CALL("is the mode", getxattr("m", "system.posix_acl_access", buf, sizeof(buf)));
	stat("m", &st);
	HEX("mode", st.st_mode);
	CALL("no mask", setxattr("m", "system.posix_acl_access", no_mask, sizeof(no_mask), 0));
	CALL("order", setxattr("m", "system.posix_acl_access", order, sizeof(order), 0));
	CALL("odd size", setxattr("m", "system.posix_acl_access", minimal, sizeof(minimal) - 1, 0));
	CALL("groups", setxattr("m", "system.posix_acl_access", groups, sizeof(groups), 0));
	CALL("size", getxattr("m", "system.posix_acl_access", NULL, 0));
	CALL("names", listxattr("m", buf, sizeof(buf)));
	CALL("chmod", chmod("m", 0610));
	CALL("back", getxattr("m", "system.posix_acl_access", buf, sizeof(buf)));
	NUM("mask", buf[4 + 4 * 8 + 2]);
	CALL("chmod again", chmod("m", 0677));
	CHILD("in one group", setgroups(1, (gid_t[]){ 50 }); setgid(70); setuid(1000);
	      CALL("write", open("m", O_RDWR) >= 0); CALL("exec", access("m", X_OK)));
	CHILD("in two", setgroups(2, (gid_t[]){ 50, 60 }); setgid(70); setuid(1000); CALL("read", open("m", O_RDONLY) >= 0); CALL("all", access("m", R_OK | X_OK)));
	CHILD("the owning group", setgroups(0, NULL); setgid(0); setuid(1000); CALL("read", open("m", O_RDONLY)));
	CHILD("not mine", setuid(1000); CALL("set", setxattr("m", "system.posix_acl_access", minimal, sizeof(minimal), 0));
	      CALL("remove", removexattr("m", "system.posix_acl_access")));
	symlink("m", "l");
	CALL("of a link", lsetxattr("l", "system.posix_acl_access", minimal, sizeof(minimal), 0));
	CALL("of a link, get", lgetxattr("l", "system.posix_acl_access", buf, sizeof(buf)));
	CALL("empty", setxattr("m", "system.posix_acl_access", minimal, 4, 0));
	CALL("gone", getxattr("m", "system.posix_acl_access", buf, sizeof(buf)));
}

/* What new files and directories get, in place of the umask. */
static void test_default(void)
{
	static const uint32_t def[] = { 2, 0x00070001, ~0u, 0x00070002, 1000, 0x00050004, ~0u, 0x00070010, ~0u, 0x00050020, ~0u };
	char buf[100];
	struct stat st;

	umask(077);
	mkdir("dd", 0777);
	CALL("set", setxattr("dd", "system.posix_acl_default", def, sizeof(def), 0));
	mkdir("dd/sub", 0770);
	stat("dd/sub", &st);
	HEX("directory", st.st_mode);
	CALL("default goes on", getxattr("dd/sub", "system.posix_acl_default", buf, sizeof(buf)));
	CALL("access", getxattr("dd/sub", "system.posix_acl_access", buf, sizeof(buf)));
	close(open("dd/sub/f", O_CREAT | O_WRONLY, 0644));
	stat("dd/sub/f", &st);
	HEX("file", st.st_mode);
	mknod("dd/p", S_IFIFO | 0666, 0);
	stat("dd/p", &st);
	HEX("fifo", st.st_mode);
	symlink("x", "dd/s");
	CALL("a link has none", lgetxattr("dd/s", "system.posix_acl_access", buf, sizeof(buf)));
	CALL("remove", removexattr("dd", "system.posix_acl_default"));
	CALL("again", removexattr("dd", "system.posix_acl_default"));
	close(open("dd/g", O_CREAT | O_WRONLY, 0666));
	stat("dd/g", &st);
	HEX("umask is back", st.st_mode);
	umask(022);
}

int main(void)
{
	abi_file("x", "", 0644);
	test_list();
	test_mode();
	test_default();
	return 0;
}
