import { bytes, cron, fileName, matching, network, oneOf, text, time } from './scalars.ts'
import { list, section } from './section.ts'
import { origin } from './urls.ts'

/** An S3 bucket. The store in `root` is a tier in front of it. */
const s3Schema = section({
  /** The origin of the service, `https://s3.eu-central-1.amazonaws.com`. The bucket is named in paths. */
  endpoint: origin(),
  bucket: matching(/^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/, 'the name of a bucket'),
  region: text().prefault('us-east-1'),
  /** Before the name of every object, `cache/`. */
  prefix: matching(/^(?:[\w.-]+\/)*[\w.-]+\/?$/, 'a path of letters, digits, ., _ and -').optional(),
  /** Omitted, with the secret: the environment or the platform says who this process is (IRSA, ECS, EC2). */
  accessKeyId: text().optional(),
  secretAccessKey: text().optional(),
  /** A file that holds it; surrounding white space is ignored. */
  secretAccessKeyFile: fileName().optional(),
  /** The limit of what is kept there; what was not used for longest is removed first. Omitted: no limit. */
  maxSize: bytes({ least: '1MiB' }).optional(),
  /** Which clients fetch blobs from the service itself. Omitted: none. */
  redirect: section({
    networks: list(network()).prefault([]),
    /** The origin at which they reach it. Omitted: `endpoint`. */
    publicEndpoint: origin().optional(),
  }).optional(),
})

export const storageSchema = section({
  /** The folder of the store. */
  root: fileName().prefault('./data'),
  /** The limit of committed content; the least recently used is evicted first. */
  maxSize: bytes({ least: '1B' }).prefault('50GiB'),
  /** Disk space that stays free. */
  minFree: bytes().prefault('1GiB'),
  /** Which reads are checked for disk corruption. `sample`: one in a hundred. */
  verify: oneOf('never', 'sample', 'always').prefault('sample'),
  /** How long the start waits for another process to close the store. */
  lockTimeout: time().prefault('30s'),
  /** When the whole store is verified (node-cron syntax). Omitted: never. */
  scrub: cron().optional(),
  /** Omitted: everything is in `root`. */
  s3: s3Schema.optional(),
  /** The index that the replicas of a cluster share. Omitted: there is one replica. */
  index: section({
    /** A connection string, `postgres://entrepot@db/entrepot`. */
    postgres: matching(/^postgres(?:ql)?:\/\/\S+$/, 'a URL such as postgres://entrepot@db/entrepot'),
    /** A file that holds the password; surrounding white space is ignored. */
    passwordFile: fileName().optional(),
  }).optional(),
})

/** How the replicas of a cluster reach each other. */
export const clusterSchema = section({
  /** Where this replica's registry is reached by the others, `http://10.0.0.5:5000`. */
  advertise: origin(),
  /** A file that holds the secret by which replicas know each other: at least 16 characters. */
  secretFile: fileName(),
})
