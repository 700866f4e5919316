declare module '@lhncbc/ucum-lhc' {
  interface UnitAnswer {
    readonly status: 'valid' | 'invalid' | 'error';
    readonly ucumCode: string | null;
    readonly msg: readonly string[];
    readonly suggestions?: readonly {
      readonly msg: string;
      readonly units: readonly (readonly string[])[];
    }[];
  }
  interface ConversionAnswer {
    readonly status: 'succeeded' | 'failed' | 'error';
    readonly toVal: number | null;
    readonly msg: readonly string[];
  }
  interface UcumLhcUtils {
    validateUnitString(unit: string, suggest?: boolean): UnitAnswer;
    convertUnitTo(from: string, value: number, to: string): ConversionAnswer;
  }
  const ucum: { readonly UcumLhcUtils: { getInstance(): UcumLhcUtils } };
  export default ucum;
}
