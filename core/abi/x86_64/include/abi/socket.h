/* SPDX-License-Identifier: MIT */
/* x86_64: structures of the socket calls as programs see them (recvmsg(2), cmsg(3), socket(7)), and what Linux's own bookkeeping of a message takes. */
#pragma once

#include <maestro/types.h>

struct abi_msghdr {
	u64 name;
	s32 namelen, pad;
	u64 iov, iovlen;
	u64 control, controllen;
	u32 flags, pad2;
};
_Static_assert(sizeof(struct abi_msghdr) == 56, "recvmsg(2)");
struct abi_mmsghdr {
	struct abi_msghdr hdr;
	u32 len, pad;
};
struct abi_cmsghdr {
	u64 len;
	s32 level, type;
};
#define ABI_MSG_CMSG_COMPAT 0x80000000u /* a flag that programs may not give */
/* of one buffer: its descriptor; what stands behind its bytes */
#define ABI_SKB_HEAD 256u
#define ABI_SKB_TAIL 320u
