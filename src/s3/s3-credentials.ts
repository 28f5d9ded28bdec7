/** What requests to S3 are signed with. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of temporary credentials. */
  readonly sessionToken?: string
}

/**
 * Called for each request. Returns the same object as long as the credentials are the same. `refused`: those
 * that the service has just refused; the source looks for newer ones.
 *
 * @throws RegistryError UPSTREAM_UNAVAILABLE when there are none
 */
export type S3CredentialSource = (refused?: S3Credentials) => S3Credentials | Promise<S3Credentials>
