declare module '@thing-description-playground/core' {
  interface Options {
    readonly checkDefaults: boolean;
    readonly checkJsonLd: boolean;
    readonly checkTmConformance: boolean;
  }
  const playground: {
    tdValidator(
      td: string,
      log: (line: unknown) => void,
      options: Options,
    ): Promise<{ readonly report: object }>;
  };
  export default playground;
}
