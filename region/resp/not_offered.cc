// Commands of Redis that a node does not have, and why: who sends one is told more than that it is unknown.
// docs/redis.md has the same table, and a test compares the two.

#include "region/resp/commands.h"

namespace atolldb::resp {
namespace {

struct NotOffered {
  BytesView names;  // with a blank behind each
  const char* why;
};

constexpr NotOffered kNotOffered[] = {
    {"expire pexpire expireat pexpireat setex psetex getex ",
     "nothing expires yet; what a timer means across regions is not defined"},
    {"incrbyfloat hincrbyfloat ",
     "sums of floating-point numbers depend on their order, and each region has its own"},
    {"multi exec discard watch unwatch ",
     "a transaction over several keys would need their coordinators to agree"},
    {"rename renamenx copy sort sort_ro lcs move swapdb dump restore restore-asking migrate ",
     "several keys, or a whole value, at once"},
    {"bitcount bitfield bitfield_ro bitop bitpos getbit setbit ",
     "bits of one string that two regions set would overwrite each other"},
    {"blmove blmpop blpop brpop brpoplpush lindex linsert llen lmove lmpop lpop lpos lpush lpushx lrange "
     "lrem lset ltrim rpop rpoplpush rpush rpushx ",
     "lists: the order of what regions push at the same time is not defined yet"},
    {"bzmpop bzpopmax bzpopmin zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore "
     "zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank "
     "zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore "
     "zrevrank zscan zscore zunion zunionstore ",
     "sorted sets: not built yet"},
    {"geoadd geodist geohash geopos georadius georadiusbymember georadiusbymember_ro georadius_ro geosearch "
     "geosearchstore ",
     "they are sorted sets"},
    {"pfadd pfcount pfmerge pfdebug pfselftest ", "HyperLogLog: not built yet"},
    {"xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup xrevrange xsetid "
     "xtrim ",
     "streams: one order of entries needs one place that orders them"},
    {"subscribe unsubscribe psubscribe punsubscribe publish pubsub ssubscribe sunsubscribe spublish monitor ",
     "messages are not kept, so no promise about them could hold when a node dies"},
    {"eval evalsha eval_ro evalsha_ro script fcall fcall_ro function ",
     "a script over several keys would need their coordinators to agree"},
    {"module debug lolwut ", "of redis-server itself"},
    {"acl ", "users and access rules are not built yet"},
    {"wait ",
     "every acknowledged write is on W replicas; ATOLL.QUORUM asks for more. Other regions are waited for "
     "with a session"},
    {"bgrewriteaof bgsave save lastsave shutdown sync psync replconf replicaof slaveof role failover ",
     "logs, checkpoints and replication run by themselves; atoll status shows them"},
    {"asking cluster readonly readwrite ",
     "any node serves any key of its region: clients need no map of slots"},
    {"latency memory slowlog ", "/metrics has latencies and memory"},
    {"time ", "clocks decide nothing here"},
};

}  // namespace

const char* why_not_offered(BytesView name) {
  const Bytes wanted = lower(name) + " ";
  for (const NotOffered& row : kNotOffered)
    for (size_t at = row.names.find(wanted); at != BytesView::npos; at = row.names.find(wanted, at + 1))
      if (at == 0 || row.names[at - 1] == ' ') return row.why;
  return nullptr;
}

}  // namespace atolldb::resp
