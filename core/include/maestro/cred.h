/* SPDX-License-Identifier: MIT */
/* Credentials: immutable once installed, shared by reference, replaced whole (credentials(7), capabilities(7)). */
#pragma once

#include <maestro/atomic.h>
#include <maestro/errno.h>
#include <maestro/list.h>
#include <maestro/types.h>

enum { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_LINUX_IMMUTABLE,
       CAP_NET_BIND_SERVICE, CAP_NET_BROADCAST, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_IPC_OWNER, CAP_SYS_MODULE, CAP_SYS_RAWIO,
       CAP_SYS_CHROOT, CAP_SYS_PTRACE, CAP_SYS_PACCT, CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYS_NICE, CAP_SYS_RESOURCE, CAP_SYS_TIME, CAP_SYS_TTY_CONFIG,
       CAP_MKNOD, CAP_LEASE, CAP_AUDIT_WRITE, CAP_AUDIT_CONTROL, CAP_SETFCAP, CAP_MAC_OVERRIDE, CAP_MAC_ADMIN, CAP_SYSLOG, CAP_WAKE_ALARM,
       CAP_BLOCK_SUSPEND, CAP_AUDIT_READ, CAP_PERFMON, CAP_BPF, CAP_CHECKPOINT_RESTORE, CAP_COUNT };
typedef u64 cap_t;
#define CAP_FULL ((1ULL << CAP_COUNT) - 1)

struct group_list {
	struct atomic refs;
	unsigned count;
	gid_t gid[]; /* sorted */
};
/* What one real user id holds, over all processes. */
struct user_struct {
	struct list node; /* [kernel.proc.user_lock] */
	uid_t uid;	  /* [c] */
	struct atomic refs, processes, sigpending, inotify_instances, inotify_watches, unix_inflight; /* [a] */
	struct atomic_long locked_shm; /* [a] pages under SHM_LOCK */
	struct atomic_long mq_bytes;   /* [a] of POSIX message queues, against RLIMIT_MSGQUEUE */
};
void user_put(struct user_struct *u);
kerr_t user_find(uid_t uid, struct user_struct **out) __must_check; /* with a reference; made if new */

#define SECURE_NOROOT 1u
#define SECURE_NO_SETUID_FIXUP 4u
#define SECURE_KEEP_CAPS 0x10u
#define SECURE_KEEP_CAPS_LOCKED 0x20u
#define SECURE_NO_CAP_AMBIENT_RAISE 0x40u
#define SECURE_ALL_BITS 0x55u
#define SECURE_ALL_LOCKS (SECURE_ALL_BITS << 1)

struct cred {
	struct atomic refs;
	uid_t uid, euid, suid, fsuid;
	gid_t gid, egid, sgid, fsgid;
	struct group_list *groups; /* never NULL */
	struct user_struct *user;  /* of uid; never NULL */
	cap_t cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
	u32 securebits;
};
static inline const struct cred *cred_get(const struct cred *c)
{
	atomic_inc(&((struct cred *)(uintptr_t)c)->refs);
	return c;
}
void cred_put(const struct cred *c);
const struct cred *current_cred(void); /* never NULL; no reference */
/* A private copy to change, then cred_commit() (which consumes it) or cred_abort(). */
kerr_t cred_prepare(struct cred **out) __must_check;
void cred_commit(struct cred *c);
void cred_abort(struct cred *c);
bool cred_capable(const struct cred *c, int cap);
bool capable(int cap); /* current */
bool cred_in_group(const struct cred *c, gid_t gid); /* fsgid or supplementary */
/* Is it a value of the attribute security.capability, and may current set it? KERR(EINVAL), KERR(EPERM). */
kerr_t file_caps_check(const void *attr, size_t size) __must_check;
kerr_t cred_kernel(const struct cred **out) __must_check; /* root with all capabilities: the first task's */
/* A list to fill, and its installation as current's groups (takes over the reference, also on error; 0 or -errno). */
kerr_t groups_alloc(unsigned n, struct group_list **out) __must_check;
long groups_install(struct group_list *g);
